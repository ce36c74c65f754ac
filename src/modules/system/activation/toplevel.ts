/**
 * `system.build.toplevel`: the machine as one store path.
 *
 * It is mostly links: to the kernel, the initrd, `/etc`, the packages. Whatever is reachable from it is what the machine needs
 * and all that it needs, so its closure is what gets copied, shared with a guest, or kept from being collected.
 */
import { declareOptions, define, defineModule, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";
import { checkAssertions } from "../../misc/assertions.ts";
import { derivationType, storeObjectType } from "../../types.ts";

export const options = declareOptions({
  system: {
    name: mkOption({
      type: t.strMatching("[a-zA-Z0-9+._?=-]+"),
      defaultText: "networking.hostName",
      description: "Name of the machine in the names of store paths.",
      example: "web",
    }),
    extraDependencies: mkOption({
      type: t.listOf(storeObjectType),
      default: [],
      description: "Store objects that belong to the machine although nothing in it names them.",
      example: [],
    }),
    build: {
      toplevel: mkOption({
        type: derivationType,
        readOnly: true,
        description: "The whole machine: kernel, initrd, init, activation, packages, /etc.",
      }),
      activate: mkOption({ type: t.str, readOnly: true, internal: true, description: "The activation script." }),
    },
  },
});

/** Wrap the ordered snippets; stage 2 reads the script in, a switch runs it. */
export function activateScript(shell: string, snippets: string): string {
  return `#!${shell} sh
# Makes the running machine match its configuration. May be run any number of times.
systemConfig=@systemConfig@
warn() { echo "activation: warning: $1" >&2; }
umask 0022

${snippets}
ln -sfn "$systemConfig" /run/current-system
`;
}

export default defineModule<Std>({
  key: "system/toplevel",
  options,
  defaults: ({ config }) => define({ system: { name: () => config.networking.hostName || "unnamed" } }),
  config: ({ config, pkgs }) =>
    define({
      system: {
        build: {
          activate: () => activateScript(`${pkgs.staticBusybox}/bin/busybox`, config.system.activationScript),
          toplevel: () => {
            checkAssertions(config.assertions);
            const { build } = config.system;
            const files = pkgs.writeTree("system-scripts", {
              init: { text: build.stage2, mode: "0555" },
              activate: { text: build.activate, mode: "0555" },
              "switch-to-configuration": { text: build.switchToConfiguration, mode: "0555" },
              "kernel-params": { text: config.boot.kernelParams.join(" ") },
              "osmod-version": { text: config.system.osmod.label },
              "extra-dependencies": { text: config.system.extraDependencies.map((object) => `${object}\n`).join("") },
            });
            const script = `
set -e
mkdir -p "$out"
for file in init activate; do
  sed "s,@systemConfig@,$out," ${files}/$file > "$out/$file"
  chmod 0555 "$out/$file"
done
mkdir "$out/bin"
sed "s,@systemConfig@,$out," ${files}/switch-to-configuration > "$out/bin/switch-to-configuration"
chmod 0555 "$out/bin/switch-to-configuration"
ln -s ${build.switchTable} "$out/switch"
for file in kernel-params osmod-version extra-dependencies; do cp ${files}/$file "$out/$file"; done
printf %s ${pkgs.hostPlatform.system} > "$out/system"
ln -s ${build.kernelFile} "$out/kernel"
ln -s ${build.initialRamdisk}/initrd "$out/initrd"
ln -s ${build.kernelModules} "$out/kernel-modules"
ln -s ${build.etc} "$out/etc"
ln -s ${config.system.path} "$out/sw"
( cd ${config.system.path} && find var -mindepth 1 -type d ! -path var/run ! -path var/lock | LC_ALL=C sort ) > "$out/var.list"
`;
            return pkgs.runCommand(`osmod-system-${config.system.name}-${config.system.osmod.label}`, {}, script);
          },
        },
      },
    }),
});
