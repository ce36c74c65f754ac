/**
 * The machine's TPM 2.0: swtpm, a program of its own that QEMU reaches by a socket.
 *
 * The launcher starts it confined to its own tree, what the TPM keeps (beside the root disk, as `<image>.tpm`) and the directory of its
 * sockets. It ends with the launcher, however that ends. What a TPM keeps is written when it changes, so an end by force loses nothing.
 */
import { mkOption, t } from "../lib/index.ts";
import { packageType } from "../modules/index.ts";
import { qemuOption } from "./qemu-option.ts";
import type { MachineSpec, Tpm } from "./spec.ts";
import { renderShell, shellQuote, type Template, word } from "./template.ts";
import { confined } from "./tree-program.ts";

/** `virtualisation.tpm`. */
export const tpm = {
  enable: mkOption({
    type: t.bool,
    default: false,
    description:
      "Whether the machine has a TPM 2.0, emulated by swtpm. What it keeps lies beside the root disk. A machine that has one cannot be saved with its memory, and always boots.",
    example: true,
  }),
  package: mkOption({
    type: packageType,
    defaultText: "pkgs.swtpm",
    description: "The package that has `swtpm`.",
    example: "pkgs.swtpm",
  }),
  deviceModel: mkOption({
    type: t.enum(["tpm-tis", "tpm-crb"]),
    default: "tpm-tis",
    description: "QEMU's device, by which the guest reaches the TPM.",
    example: "tpm-crb",
  }),
  provisioning: mkOption({
    type: t.nullOr(t.lines),
    default: null,
    description:
      "Script that the host runs before each start, with the TPM already there: POSIX shell, with busybox and tpm2-tools as commands, and " +
      "`TPM2TOOLS_TCTI` and `TCTI` set. It sees nothing of the host. When it fails, the machine does not start.",
    example: "tpm2_nvreadpublic 0x1500016 || tpm2_nvdefine 0x1500016 -C o -s 32",
  }),
};

/** The kernel's drivers, where they are modules. */
export const tpmModules: readonly string[] = ["tpm_tis", "tpm_crb"];

/** QEMU's arguments for the TPM. */
export function tpmArgv({ tpm: device }: MachineSpec): Template {
  if (device === undefined) return [];
  return [
    word("-chardev"),
    qemuOption("socket", { id: "tpm", path: [{ hole: "runtime" }, "/tpm/tpm.ctrl"] }),
    word("-tpmdev"),
    qemuOption("emulator", { id: "tpm0", chardev: "tpm" }),
    word("-device"),
    qemuOption(device.deviceModel, { tpmdev: "tpm0" }),
  ];
}

/** Shell code that starts swtpm, waits for its socket, and lets the provisioning run. */
export function tpmStart(spec: MachineSpec): string {
  const device = spec.tpm;
  if (device === undefined) return "";
  const server =
    device.provisioning === null ? "" : " --server type=unixio,path=/tpm/tpm,mode=0600 --flags not-need-init";
  return `
mkdir -p -m 0700 "$tpmState" || die "the directory of the TPM $tpmState could not be made" "make its directory writable, or choose another disk image with OSMOD_DISK_IMAGE"
mkdir -m 0700 "$runtime/tpm"
(
  set --
${renderShell(confined(spec, device.tree, "/tpm"))}  set -- "$@" --bind "$tpmState" /state
  exec "$@" -- /usr/bin/swtpm socket --tpm2 --tpmstate dir=/state,mode=0600 --ctrl type=unixio,path=/tpm/tpm.ctrl,mode=0600${server}
) < /dev/null > "$runtime/log/swtpm" 2>&1 8>&- 9>&- &
swtpm=$!
await_socket "$runtime/tpm/tpm.ctrl" $swtpm "swtpm, which is the machine's TPM," "$runtime/log/swtpm" "leave out virtualisation.tpm, or put $tpmState aside if it is damaged"
${device.provisioning === null ? "" : provision(spec, device.provisioning)}`;
}

/** Shell code for the end: QEMU may never have come to it, and the next start needs its state. */
export const endTpm = `[ -z "$swtpm" ] || { kill $swtpm; wait $swtpm; } 2> /dev/null`;

/** tpm2-tools look for the socket of control beside the one of commands, with `.ctrl` after its name. */
function provision(spec: MachineSpec, { tree, script }: NonNullable<Tpm["provisioning"]>): string {
  return `(
  set --
${renderShell(confined(spec, tree, "/tpm"))}  set -- "$@" --ro-bind "$busybox" /busybox --setenv PATH /usr/bin --setenv TCTI swtpm:path=/tpm/tpm --setenv TPM2TOOLS_TCTI swtpm:path=/tpm/tpm
  exec "$@" -- /busybox sh -ec ${shellQuote(`tpm2_startup --clear\n${script}\ntpm2_shutdown --clear`)}
) < /dev/null > "$runtime/log/tpm-provisioning" 2>&1 8>&- 9>&- || die "virtualisation.tpm.provisioning failed: $(tail -n 20 "$runtime/log/tpm-provisioning")" "mend the script; it runs before each start"
`;
}
