/**
 * Options of the unit kinds beside services: sockets, timers, paths, targets, slices, mounts and automounts.
 */
import { mkOption, t } from "../../../../lib/index.ts";
import { stopOptions, unitOptions } from "./unit-options.ts";
import { directive, texts, timeSpan } from "./unit-types.ts";

const section = (name: string, page: string, example: { readonly [directive: string]: string | boolean | number }) =>
  mkOption({
    type: t.attrsOf(directive),
    default: {},
    description: `Directives of the unit's \`[${name}]\` section, see ${page}. A list writes its directive several times.`,
    example,
  });
const addresses = (what: string, example: string) =>
  mkOption({ type: t.listOf(t.str), default: [], description: what, example: [example] });

/** Options of `systemd.sockets.<name>`. */
export const socketOptions = {
  ...unitOptions,
  listenStreams: addresses("Stream sockets to listen on: a port, an address with port, or a path.", "127.0.0.1:8080"),
  listenDatagrams: addresses("Datagram sockets to listen on: a port, an address with port, or a path.", "0.0.0.0:514"),
  socketConfig: section("Socket", "systemd.socket(5)", { Accept: false }),
};

/** Options of `systemd.timers.<name>`. */
export const timerOptions = {
  ...unitOptions,
  timerConfig: mkOption({
    type: t.freeform(
      {
        OnCalendar: mkOption({
          type: texts,
          default: null,
          description: "Times of the calendar, see systemd.time(7).",
          example: "Mon *-*-* 04:00:00",
        }),
        OnBootSec: mkOption({ type: timeSpan, default: null, description: "Time after boot.", example: "5min" }),
        OnUnitActiveSec: mkOption({
          type: timeSpan,
          default: null,
          description: "Time after the unit's last start.",
          example: "1h",
        }),
        Persistent: mkOption({
          type: t.nullOr(t.bool),
          default: null,
          description: "Whether a time that was missed while the machine was off is made up for.",
          example: true,
        }),
        RandomizedDelaySec: mkOption({
          type: timeSpan,
          default: null,
          description: "Longest random delay.",
          example: "10min",
        }),
        Unit: mkOption({
          type: t.nullOr(t.str),
          default: null,
          description: "The unit to start; without it, the service of the same name.",
          example: "backup.service",
        }),
      },
      directive,
    ),
    default: {},
    description: "Directives of the unit's `[Timer]` section, see systemd.timer(5).",
    example: { OnCalendar: "daily", Persistent: true },
  }),
};

/** Options of `systemd.paths.<name>`. */
export const pathOptions = {
  ...unitOptions,
  pathConfig: section("Path", "systemd.path(5)", { PathExistsGlob: "/var/spool/app/*" }),
};

/** Options of `systemd.targets.<name>`. */
export const targetOptions = unitOptions;

/** Options of `systemd.slices.<name>`. */
export const sliceOptions = {
  ...unitOptions,
  sliceConfig: section("Slice", "systemd.slice(5) and systemd.resource-control(5)", { MemoryMax: "1G" }),
};

const where = mkOption({
  type: t.path,
  description: "Absolute path of the mount point; the unit is named after it.",
  example: "/mnt/data",
});

/** Options of the elements of `systemd.mounts`. */
export const mountOptions = {
  ...unitOptions,
  ...stopOptions,
  what: mkOption({ type: t.str, description: "The device, file or share to mount.", example: "/dev/vdb" }),
  where,
  type: mkOption({
    type: t.str,
    default: "",
    description: "Type of the file system; empty to detect it.",
    example: "ext4",
  }),
  options: mkOption({ type: t.commas, default: "", description: "Mount options.", example: "noatime" }),
  mountConfig: section("Mount", "systemd.mount(5)", { DirectoryMode: "0755" }),
};

/** Options of the elements of `systemd.automounts`. */
export const automountOptions = {
  ...unitOptions,
  where,
  automountConfig: section("Automount", "systemd.automount(5)", { TimeoutIdleSec: 600 }),
};
