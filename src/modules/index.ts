/**
 * The standard modules: everything a machine can be configured with.
 *
 * `Std` is their common scope, one member for each top-level name; an option tree may come from several modules.
 * Modules name it with `import type`, so there is no import cycle, and importers of this door need not look into any module.
 */
import { defineModule, type Module } from "../lib/index.ts";
import type { PackageSet } from "../packages/index.ts";
import * as i18n from "./config/i18n.ts";
import * as networking from "./config/networking.ts";
import * as nsswitch from "./config/nsswitch.ts";
import * as shellsEnvironment from "./config/shells-environment.ts";
import * as systemPath from "./config/system-path.ts";
import * as timezone from "./config/timezone.ts";
import * as usersGroups from "./config/users-groups.ts";
import * as assertions from "./misc/assertions.ts";
import * as version from "./misc/version.ts";
import * as bash from "./programs/bash.ts";
import * as editors from "./programs/editors.ts";
import * as ssh from "./programs/ssh.ts";
import * as ca from "./security/ca.ts";
import * as pam from "./security/pam.ts";
import * as sudo from "./security/sudo.ts";
import * as wrappers from "./security/wrappers.ts";
import * as postgresql from "./services/databases/postgresql.ts";
import * as firewall from "./services/networking/firewall.ts";
import * as nftables from "./services/networking/nftables.ts";
import * as sshd from "./services/networking/ssh/sshd.ts";
import * as dbus from "./services/system/dbus.ts";
import * as getty from "./services/ttys/getty.ts";
import * as nginx from "./services/web-servers/nginx/nginx.ts";
import * as activationScript from "./system/activation/activation-script.ts";
import * as switching from "./system/activation/switch/index.ts";
import * as toplevel from "./system/activation/toplevel.ts";
import * as kernel from "./system/boot/kernel.ts";
import * as loader from "./system/boot/loader.ts";
import * as networkd from "./system/boot/networkd.ts";
import * as resolved from "./system/boot/resolved.ts";
import * as stage1 from "./system/boot/stage-1.ts";
import * as stage2 from "./system/boot/stage-2.ts";
import * as journald from "./system/boot/systemd/journald.ts";
import * as logind from "./system/boot/systemd/logind.ts";
import * as systemdManager from "./system/boot/systemd/manager.ts";
import * as tmpfiles from "./system/boot/systemd/tmpfiles.ts";
import * as systemdUnits from "./system/boot/systemd/units.ts";
import * as timesyncd from "./system/boot/timesyncd.ts";
import * as etc from "./system/etc/etc.ts";
import * as filesystems from "./tasks/filesystems.ts";
import * as networkInterfaces from "./tasks/network-interfaces.ts";
import * as qemuGuestAgent from "./virtualisation/qemu-guest-agent.ts";

export { checkAssertions } from "./misc/assertions.ts";
export { release } from "./misc/version.ts";
export { sh, shWords } from "./shell.ts";
export {
  type FileSystem,
  fstab,
  inMountOrder,
  isInitrdMount,
  options as fileSystemOptions,
} from "./tasks/filesystems.ts";
export * from "./types.ts";

declare module "../lib/index.ts" {
  interface SpecialArgs {
    /** Packages by Debian name, and the builders. */
    readonly pkgs: PackageSet;
  }
}

/** The scope of the standard modules. */
export interface Std {
  readonly assertions: typeof assertions.options.assertions;
  readonly warnings: typeof assertions.options.warnings;
  readonly boot: typeof kernel.options.boot &
    typeof loader.options.boot &
    typeof stage1.options.boot &
    typeof stage2.options.boot;
  readonly environment: typeof etc.options.environment &
    typeof systemPath.options.environment &
    typeof shellsEnvironment.options.environment;
  readonly fileSystems: typeof filesystems.options.fileSystems;
  readonly i18n: typeof i18n.options.i18n;
  readonly networking: typeof networkInterfaces.options.networking &
    typeof networking.options.networking &
    typeof firewall.options.networking &
    typeof nftables.options.networking &
    typeof timesyncd.options.networking;
  readonly programs: typeof bash.options.programs & typeof editors.options.programs & typeof ssh.options.programs;
  readonly security: typeof sudo.options.security &
    typeof wrappers.options.security &
    typeof pam.options.security &
    typeof ca.options.security;
  readonly services: typeof journald.options.services &
    typeof logind.options.services &
    typeof timesyncd.options.services &
    typeof resolved.options.services &
    typeof dbus.options.services &
    typeof getty.options.services &
    typeof sshd.options.services &
    typeof nginx.options.services &
    typeof postgresql.options.services &
    typeof qemuGuestAgent.options.services;
  readonly swapDevices: typeof filesystems.options.swapDevices;
  readonly system: typeof activationScript.options.system &
    typeof switching.options.system &
    typeof toplevel.options.system &
    typeof systemPath.options.system &
    typeof etc.options.system &
    typeof kernel.options.system &
    typeof stage1.options.system &
    typeof stage2.options.system &
    typeof usersGroups.options.system &
    typeof nsswitch.options.system &
    typeof version.options.system;
  readonly systemd: typeof systemdUnits.options.systemd &
    typeof systemdManager.options.systemd &
    typeof tmpfiles.options.systemd &
    typeof networkd.options.systemd;
  readonly time: typeof timezone.options.time;
  readonly users: typeof usersGroups.options.users & typeof sshd.options.users;
}

/** All of them, as one module to import. */
export const standardModules: Module<Std> = defineModule<Std>({
  key: "osmod/modules",
  imports: [
    assertions.default,
    version.default,
    systemPath.default,
    shellsEnvironment.default,
    nsswitch.default,
    timezone.default,
    i18n.default,
    usersGroups.default,
    etc.default,
    activationScript.default,
    switching.default,
    toplevel.default,
    kernel.default,
    loader.default,
    stage1.default,
    stage2.default,
    filesystems.default,
    ca.default,
    pam.default,
    sudo.default,
    wrappers.default,
    systemdUnits.default,
    systemdManager.default,
    tmpfiles.default,
    journald.default,
    logind.default,
    timesyncd.default,
    networkInterfaces.default,
    networking.default,
    networkd.default,
    resolved.default,
    nftables.default,
    firewall.default,
    getty.default,
    dbus.default,
    sshd.default,
    nginx.default,
    postgresql.default,
    bash.default,
    ssh.default,
    editors.default,
    qemuGuestAgent.default,
  ],
});
