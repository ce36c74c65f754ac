/**
 * systemd's units: what services, sockets, timers and targets the machine has, and which of them are started.
 *
 * Every kind of unit is rendered to `systemd.units.<full name>`, and those are laid out as one tree in the store that
 * /etc/systemd/system is a link to. Packaged units stay where the packages put them, /usr/lib/systemd/system; a
 * definition here takes their place, adds to them, enables or masks them.
 */
import {
  type Defs,
  declareOptions,
  define,
  defineModule,
  mapAttrsTo,
  mkMerge,
  mkOption,
  t,
} from "../../../../lib/index.ts";
import type { PackageSet } from "../../../../packages/index.ts";
import type { Std } from "../../../index.ts";
import { escapePath } from "./escape.ts";
import {
  automountOptions,
  mountOptions,
  pathOptions,
  sliceOptions,
  socketOptions,
  targetOptions,
  timerOptions,
} from "./other-options.ts";
import {
  isPackage,
  type RenderedUnit,
  renderAutomount,
  renderMount,
  renderPath,
  renderService,
  renderSlice,
  renderSocket,
  renderTarget,
  renderTimer,
  type ServiceScripts,
  type ServiceValue,
  type UnitValue,
} from "./render.ts";
import { serviceOptions } from "./service-options.ts";
import { unitTree } from "./tree.ts";
import { placementOptions } from "./unit-options.ts";

const textOptions = {
  ...placementOptions,
  text: mkOption({
    type: t.nullOr(t.lines),
    default: null,
    description: "The unit file; `null` leaves the packaged unit as it is.",
    example: "[Service]\nExecStart=/usr/bin/true\n",
  }),
};

const kind = <T extends Parameters<typeof t.attrsOf>[0]>(type: T, what: string, example: unknown) =>
  mkOption({ type: t.attrsOf(type), default: {}, description: what, example });

export const options = declareOptions({
  systemd: {
    services: kind(t.submodule(serviceOptions), "Services, by name without `.service`.", {
      hello: { wantedBy: ["multi-user.target"], serviceConfig: { ExecStart: "/usr/bin/hello" } },
    }),
    sockets: kind(t.submodule(socketOptions), "Sockets, by name without `.socket`.", {
      echo: { wantedBy: ["sockets.target"], listenStreams: ["7"] },
    }),
    timers: kind(t.submodule(timerOptions), "Timers, by name without `.timer`.", {
      backup: { wantedBy: ["timers.target"], timerConfig: { OnCalendar: "daily" } },
    }),
    paths: kind(t.submodule(pathOptions), "Units that wait for files, by name without `.path`.", {
      spool: { wantedBy: ["paths.target"], pathConfig: { DirectoryNotEmpty: "/var/spool/app" } },
    }),
    targets: kind(t.submodule(targetOptions), "Targets, by name without `.target`.", {
      app: { wants: ["web.service"] },
    }),
    slices: kind(t.submodule(sliceOptions), "Slices, by name without `.slice`.", {
      batch: { sliceConfig: { CPUWeight: 20 } },
    }),
    mounts: mkOption({
      type: t.listOf(t.submodule(mountOptions)),
      default: [],
      description: "Mount units. `fileSystems` is the usual way to mount; this is for relations it cannot express.",
      example: [{ what: "/dev/vdb", where: "/data", wantedBy: ["multi-user.target"] }],
    }),
    automounts: mkOption({
      type: t.listOf(t.submodule(automountOptions)),
      default: [],
      description: "Mount points that are mounted at their first use.",
      example: [{ where: "/data", wantedBy: ["multi-user.target"] }],
    }),
    units: kind(
      t.submodule(textOptions),
      "Units by full name, as texts: what the other options of `systemd` are rendered to. `enable = false` masks.",
      { "apt-daily.timer": { enable: false } },
    ),
  },
});

/** The module that renders units and installs them. */
export default defineModule<Std>({
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.systemd;
    return define({
      systemd: {
        timers: () =>
          mapAttrsTo(
            Object.fromEntries(Object.entries(cfg.services).filter(([, service]) => service.startAt.length > 0)),
            (name, service) => [
              name,
              define({ wantedBy: ["timers.target"], timerConfig: { OnCalendar: () => service.startAt } }),
            ],
          ),
        units: mkMerge([
          () => rendered(cfg.services, "service", (name, s) => renderService(name, s, scriptsOf(pkgs, name, s))),
          () => rendered(cfg.sockets, "socket", renderSocket),
          () => rendered(cfg.timers, "timer", renderTimer),
          () => rendered(cfg.paths, "path", renderPath),
          () => rendered(cfg.targets, "target", renderTarget),
          () => rendered(cfg.slices, "slice", renderSlice),
          () => rendered(byMountPoint(cfg.mounts), "mount", (_, mount) => renderMount(mount)),
          () => rendered(byMountPoint(cfg.automounts), "automount", (_, automount) => renderAutomount(automount)),
        ]),
      },
      environment: {
        systemPackages: () => Object.values(cfg.services).flatMap((service) => service.path.filter(isPackage)),
        etc: {
          "systemd/system": {
            source: () =>
              pkgs.writeTree(
                "system-units",
                unitTree(cfg.units, {
                  "default.target": cfg.defaultUnit,
                  "ctrl-alt-del.target": cfg.ctrlAltDelUnit,
                }),
              ),
          },
        },
      },
    });
  },
});

/** Definitions of `systemd.units` for all units of a kind; texts are rendered when they are needed. */
function rendered<U extends UnitValue>(
  units: { readonly [name: string]: U },
  suffix: string,
  render: (name: string, unit: U) => RenderedUnit,
) {
  return mapAttrsTo(units, (name, unit) => {
    let done: RenderedUnit | undefined;
    const once = (): RenderedUnit => {
      done ??= render(name, unit);
      return done;
    };
    return [
      `${name}.${suffix}`,
      define<Defs<typeof textOptions>>({
        enable: () => unit.enable,
        text: () => once().text,
        overrideStrategy: () =>
          unit.overrideStrategy !== "auto" ? unit.overrideStrategy : once().complete ? "replace" : "asDropin",
        wantedBy: () => unit.wantedBy,
        requiredBy: () => unit.requiredBy,
        upheldBy: () => unit.upheldBy,
        aliases: () => unit.aliases,
      }),
    ];
  });
}

function byMountPoint<M extends { readonly where: string }>(mounts: readonly M[]): { readonly [name: string]: M } {
  return Object.fromEntries(mounts.map((mount) => [escapePath(mount.where), mount]));
}

/** Write a service's scripts to the store: each a file of its own, so that a change restarts its own service only. */
function scriptsOf(pkgs: PackageSet, name: string, service: ServiceValue): ServiceScripts {
  const suffixes = {
    script: "start",
    preStart: "pre-start",
    postStart: "post-start",
    reload: "reload",
    preStop: "pre-stop",
    postStop: "post-stop",
  } as const;
  const stem = name.replace(/[^a-zA-Z0-9+._?=-]/g, "_");
  return Object.fromEntries(
    Object.entries(suffixes)
      .filter(([option]) => service[option as keyof typeof suffixes] !== "")
      .map(([option, suffix]) => {
        const text = `#!/usr/bin/bash\nset -e\n${service[option as keyof typeof suffixes]}\n`;
        // A file name without a hash: it is what the journal calls the script's messages.
        const file = `bin/${stem}-${suffix}`;
        return [
          option,
          `${pkgs.writeTree(`unit-script-${stem}-${suffix}`, { [file]: { text, mode: "0555" } })}/${file}`,
        ];
      }),
  );
}
