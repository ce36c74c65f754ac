/**
 * Stage 2: `<toplevel>/init`, the first program that runs in the machine's own root.
 *
 * It finishes what systemd takes for granted (`/usr`, `/run`, the links of a merged `/usr`), activates the configuration,
 * remembers what was booted, and becomes systemd.
 */
import { declareOptions, define, defineModule, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";

export const options = declareOptions({
  boot: {
    postBootCommands: mkOption({
      type: t.lines,
      default: "",
      description: "Shell commands (busybox) that run just before systemd is started.",
      example: "echo booted > /dev/kmsg",
    }),
    systemdExecutable: mkOption({
      type: t.path,
      default: "/usr/lib/systemd/systemd",
      description: "The program that becomes process 1.",
      example: "/usr/lib/systemd/systemd",
    }),
  },
  system: {
    build: {
      stage2: mkOption({ type: t.str, readOnly: true, internal: true, description: "The script of stage 2." }),
    },
  },
});

/** The script; `@systemConfig@` stands for the machine's store path, `@systemPath@` for the tree that becomes /usr. */
export function stage2Script(parts: {
  readonly shell: string;
  readonly systemPath: string;
  readonly postBootCommands: string;
  readonly systemd: string;
}): string {
  return `#!${parts.shell} sh
systemConfig=@systemConfig@
warn() { echo "stage 2: warning: $1" >&2; }
trap 'echo "stage 2 failed; boot with boot.shell_on_fail to look around" >&2' EXIT

if [ ! -e /proc/self ]; then
  ${parts.shell} mkdir -p /proc /sys /dev
  ${parts.shell} mount -t proc -o nosuid,noexec,nodev proc /proc
  mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
  mount -t devtmpfs -o nosuid,mode=0755 devtmpfs /dev
fi
read -r cmdline < /proc/cmdline
case " $cmdline " in *" boot.trace "*|*" boot.debugtrace "*) set -x ;; esac
echo
echo "<<< osmod stage 2 >>>"
echo

# The root may have been mounted read-only by hand or by a parameter.
[ -w / ] || mount -o remount,rw /
[ -L /bin ] && [ -d /usr ] && [ -d /run ] || {
  mkdir -p /usr /run /boot
  for dir in bin sbin lib lib64; do [ -L /$dir ] || ln -s usr/$dir /$dir; done
}
mount -o bind ${parts.systemPath}/usr /usr || warn "could not mount /usr"
mount -t tmpfs -o nosuid,nodev,strictatime,mode=0755,size=20% tmpfs /run
ln -s "$systemConfig" /run/booted-system

. "$systemConfig/activate"
${parts.postBootCommands}
trap - EXIT
echo "starting systemd..."
exec ${parts.systemd}
`;
}

export default defineModule<Std>({
  key: "system/boot/stage-2",
  options,
  config: ({ config, pkgs }) =>
    define({
      system: {
        build: {
          stage2: () =>
            stage2Script({
              shell: `${pkgs.staticBusybox}/bin/busybox`,
              systemPath: `${config.system.path}`,
              postBootCommands: config.boot.postBootCommands,
              systemd: config.boot.systemdExecutable,
            }),
        },
      },
    }),
});
