/**
 * The standard modules: everything a machine can be configured with.
 *
 * `Std` is their common scope, one member for each top-level name; an option tree may come from several modules.
 * Modules name it with `import type`, so there is no import cycle, and importers of this door need not look into any module.
 */
import { defineModule, type Module } from "../lib/index.ts";
import type { PackageSet } from "../packages/index.ts";
import * as i18n from "./config/i18n.ts";
import * as nsswitch from "./config/nsswitch.ts";
import * as shellsEnvironment from "./config/shells-environment.ts";
import * as systemPath from "./config/system-path.ts";
import * as timezone from "./config/timezone.ts";
import * as usersGroups from "./config/users-groups.ts";
import * as assertions from "./misc/assertions.ts";
import * as version from "./misc/version.ts";
import * as ca from "./security/ca.ts";
import * as pam from "./security/pam.ts";
import * as sudo from "./security/sudo.ts";
import * as wrappers from "./security/wrappers.ts";
import * as activationScript from "./system/activation/activation-script.ts";
import * as toplevel from "./system/activation/toplevel.ts";
import * as kernel from "./system/boot/kernel.ts";
import * as stage1 from "./system/boot/stage-1.ts";
import * as stage2 from "./system/boot/stage-2.ts";
import * as etc from "./system/etc/etc.ts";
import * as filesystems from "./tasks/filesystems.ts";

export { checkAssertions } from "./misc/assertions.ts";
export { release } from "./misc/version.ts";
export { sh, shWords } from "./shell.ts";
export { type FileSystem, fstab, inMountOrder, isInitrdMount } from "./tasks/filesystems.ts";
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
  readonly boot: typeof kernel.options.boot & typeof stage1.options.boot & typeof stage2.options.boot;
  readonly environment: typeof etc.options.environment &
    typeof systemPath.options.environment &
    typeof shellsEnvironment.options.environment;
  readonly fileSystems: typeof filesystems.options.fileSystems;
  readonly i18n: typeof i18n.options.i18n;
  readonly security: typeof sudo.options.security &
    typeof wrappers.options.security &
    typeof pam.options.security &
    typeof ca.options.security;
  readonly swapDevices: typeof filesystems.options.swapDevices;
  readonly system: typeof activationScript.options.system &
    typeof toplevel.options.system &
    typeof systemPath.options.system &
    typeof etc.options.system &
    typeof kernel.options.system &
    typeof stage1.options.system &
    typeof stage2.options.system &
    typeof usersGroups.options.system &
    typeof nsswitch.options.system &
    typeof version.options.system;
  readonly time: typeof timezone.options.time;
  readonly users: typeof usersGroups.options.users;
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
    toplevel.default,
    kernel.default,
    stage1.default,
    stage2.default,
    filesystems.default,
    ca.default,
    pam.default,
    sudo.default,
    wrappers.default,
  ],
});
