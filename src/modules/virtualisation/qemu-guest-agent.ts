/**
 * QEMU's guest agent: how the host runs commands in the guest and reads its files, without a network and a login.
 *
 * The agent starts before anything that may fail, so that a machine whose boot goes wrong can still be asked why. It finds its
 * port by name in /sys, where it is as soon as the driver is; the link below /dev/virtio-ports appears only when udev has
 * got round to it. A port that comes later starts the agent by the packaged rule of udev.
 */
import { declareOptions, define, defineModule, mkIf, mkOption, t } from "../../lib/index.ts";
import type { Std } from "../index.ts";
import { packageType } from "../types.ts";

export const options = declareOptions({
  services: {
    qemuGuest: {
      enable: mkOption({
        type: t.bool,
        default: false,
        description: "Whether QEMU's guest agent runs, which lets the host of a virtual machine run commands in it.",
        example: true,
      }),
      package: mkOption({
        type: packageType,
        defaultText: 'pkgs["qemu-guest-agent"]',
        description: "The package that has `qemu-ga`.",
        example: 'pkgs["qemu-guest-agent"]',
      }),
    },
  },
});

/** The name of the port, which every host program knows. */
const portName = "org.qemu.guest_agent.0";

/**
 * The command that finds the port and becomes the agent; a dollar is doubled for systemd. The shell around the host's commands is put into
 * memory: a machine that goes on from a saved start has it before it has its store.
 */
const start = (
  busybox: string,
): string => `cp ${busybox} /run/osmod-exec/busybox; for port in /sys/class/virtio-ports/*; do \
if read -r name < $$port/name && [ "$$name" = ${portName} ]; then exec /usr/sbin/qemu-ga --path=/dev/$\${port##*/}; fi; \
done; echo "there is no port ${portName}"; exit 1`;

/** The module that runs the agent. */
export default defineModule<Std>({
  key: "virtualisation/qemu-guest-agent",
  options,
  defaults: ({ pkgs }) => define({ services: { qemuGuest: { package: () => pkgs["qemu-guest-agent"]! } } }),
  config: ({ config, pkgs }) => {
    const cfg = config.services.qemuGuest;
    const busybox = () => `${pkgs.staticBusybox}/bin/busybox`;
    return mkIf(() => cfg.enable, {
      environment: { systemPackages: () => [cfg.package] },
      boot: { kernelModules: ["virtio_console"] },
      systemd: {
        services: {
          "qemu-guest-agent": {
            description: "QEMU guest agent",
            documentation: ["man:qemu-ga(8)"],
            wantedBy: ["sysinit.target"],
            unitConfig: { DefaultDependencies: false, ConditionPathExistsGlob: "/sys/class/virtio-ports/*" },
            // The host's commands run below the agent; a restart would end the one that asked for it.
            restartIfChanged: false,
            environment: { HOME: "/root", USER: "root", LOGNAME: "root" },
            serviceConfig: {
              ExecStart: () => `${busybox()} sh -c '${start(busybox())}'`,
              Restart: "always",
              RestartSec: 0,
              WorkingDirectory: "-/root",
              // Outputs of the host's commands, and a group of processes for each.
              RuntimeDirectory: "osmod-exec",
              RuntimeDirectoryMode: "0700",
              Delegate: true,
              // It writes down every request, and it is asked often.
              LogFilterPatterns: "~^info: guest-",
              // The host's commands are nobody's service: no limit of ours applies to them.
              TasksMax: "infinity",
              OOMPolicy: "continue",
            },
          },
        },
      },
    });
  },
});
