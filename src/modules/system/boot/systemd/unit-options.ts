/**
 * Options that every kind of unit has: names, relations to other units, the `[Unit]` section.
 *
 * `overrideStrategy` decides what a definition does to a unit of the same name that a package ships below
 * /usr/lib/systemd/system: take its place, or add to it. NixOS asks the file system while building; here packages are
 * not looked into during evaluation, so `auto` judges by the definition itself: one that can stand alone (a service
 * that has a command, a socket that listens) takes the place, anything else is a drop-in.
 */
import { mkOption, t } from "../../../../lib/index.ts";
import { storeObjectType } from "../../../types.ts";
import { directive, flagOr, texts, unitName } from "./unit-types.ts";

const relation = (description: string, example: string) =>
  mkOption({ type: t.listOf(unitName), default: [], description, example: [example] });

/** Options of low-level units: what decides where the files and links of a unit go. */
export const placementOptions = {
  enable: mkOption({
    type: t.bool,
    default: true,
    description:
      "Whether the unit may be used. `false` masks it: neither this definition nor the unit that a package ships can " +
      "be started, by hand or as a dependency.",
    example: false,
  }),
  overrideStrategy: mkOption({
    type: t.enum(["auto", "replace", "asDropin"]),
    default: "auto",
    description:
      "What the definition does to a unit of the same name that a package ships. `replace` takes its place; " +
      "`asDropin` adds to it as `<name>.d/overrides.conf`; `auto` replaces when the definition can stand alone " +
      "(a service with a command, a socket that listens, a timer with a time) and adds otherwise.",
    example: "asDropin",
  }),
  wantedBy: relation("Units that start this one with them. Its failure does not stop them.", "multi-user.target"),
  requiredBy: relation("Units that need this one: they fail if it cannot be started.", "nginx.service"),
  upheldBy: relation("Units that start this one again whenever it stops while they run.", "multi-user.target"),
  aliases: relation("Further names of the unit.", "webserver.service"),
};

/** Options of the `[Unit]` section and of the way a unit is switched to a new configuration. */
export const unitOptions = {
  ...placementOptions,
  description: mkOption({
    type: t.singleLineStr,
    default: "",
    description: "What the unit is, in a few words; shown by `systemctl` and during boot.",
    example: "Backup of the home directories",
  }),
  documentation: mkOption({
    type: t.listOf(t.str),
    default: [],
    description: "Addresses of the unit's documentation: `man:`, `info:`, `file:` or a URL.",
    example: ["man:nginx(8)"],
  }),
  wants: relation("Units to start with this one; it does not matter whether they succeed.", "network-online.target"),
  requires: relation("Units to start with this one; if one of them stops, this one is stopped too.", "dbus.socket"),
  requisite: relation("Units that must be running already; otherwise this one fails at once.", "network.target"),
  upholds: relation("Units to start again whenever they stop while this one runs.", "worker.service"),
  bindsTo: relation("Like `requires`; this one also stops when they stop unexpectedly.", "dev-ttyS0.device"),
  partOf: relation("Units whose stop and restart are passed on to this one.", "nginx.service"),
  conflicts: relation("Units that cannot run together with this one: starting one stops the other.", "shutdown.target"),
  after: relation("Units that are started before this one, if they are started at all.", "network.target"),
  before: relation("Units that are started after this one, if they are started at all.", "multi-user.target"),
  onFailure: relation("Units to start when this one fails.", "notify-admin.service"),
  onSuccess: relation("Units to start when this one ends well.", "report.service"),
  unitConfig: mkOption({
    type: t.freeform(
      {
        DefaultDependencies: mkOption({
          type: t.nullOr(t.bool),
          default: null,
          description: "Whether the ordinary relations to `sysinit.target` and `shutdown.target` are added.",
          example: false,
        }),
        ConditionPathExists: mkOption({
          type: texts,
          default: null,
          description: "Start only if the path exists; `!` in front negates.",
          example: "!/var/lib/app/done",
        }),
        ConditionVirtualization: mkOption({
          type: t.nullOr(t.either(t.bool, t.str)),
          default: null,
          description: "Start only in (or, with `!`, outside of) this kind of virtual machine or container.",
          example: "!container",
        }),
        RequiresMountsFor: mkOption({
          type: texts,
          default: null,
          description: "Paths whose file systems are mounted before the unit is started.",
          example: ["/data"],
        }),
        StartLimitIntervalSec: mkOption({
          type: t.nullOr(t.either(t.int, t.str)),
          default: null,
          description: "Time in which at most `StartLimitBurst` starts are tried; `0` means no limit.",
          example: 60,
        }),
        StartLimitBurst: mkOption({
          type: t.nullOr(t.ints.unsigned),
          default: null,
          description: "Number of starts that are tried within `StartLimitIntervalSec`.",
          example: 3,
        }),
        JobTimeoutSec: mkOption({
          type: t.nullOr(t.either(t.int, t.str)),
          default: null,
          description: "Time after which a queued start or stop is given up.",
          example: "1min",
        }),
        FailureAction: mkOption({
          type: flagOr(["none", "reboot", "reboot-force", "poweroff", "poweroff-force", "exit", "exit-force"]),
          default: null,
          description: "What to do with the whole system when the unit fails.",
          example: "reboot",
        }),
      },
      directive,
    ),
    default: {},
    description:
      "Directives of the unit's `[Unit]` section, see systemd.unit(5). A list writes its directive several times.",
    example: { RequiresMountsFor: "/data" },
  }),
  restartTriggers: mkOption({
    type: t.listOf(t.either(t.str, storeObjectType)),
    default: [],
    description: "Texts or store objects (usually configuration files) whose change restarts the unit on a switch.",
    example: ["/nix/store/…-app.conf"],
  }),
  reloadTriggers: mkOption({
    type: t.listOf(t.either(t.str, storeObjectType)),
    default: [],
    description: "Texts or store objects whose change reloads the unit on a switch.",
    example: ["/nix/store/…-app.conf"],
  }),
};

/** What a switch does to units of kinds that have no reload. */
export const stopOptions = {
  restartIfChanged: mkOption({
    type: t.bool,
    default: true,
    description: "Whether a switch to a configuration that changes the unit restarts it.",
    example: false,
  }),
  stopIfChanged: mkOption({
    type: t.bool,
    default: true,
    description:
      "Whether that restart stops the unit before anything else of the switch happens and starts it afterwards " +
      "(the stop then still uses the old configuration), instead of restarting it in one go at the end.",
    example: false,
  }),
};
