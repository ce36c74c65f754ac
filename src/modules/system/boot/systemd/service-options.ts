/**
 * Options of services: the directives of `[Service]` that are worth completing and checking, scripts as texts, and how
 * a service behaves on a switch. Any other directive of systemd.service(5), systemd.exec(5), systemd.kill(5) and
 * systemd.resource-control(5) may be written too; it is checked as a unit value only.
 */
import { mkOption, t } from "../../../../lib/index.ts";
import { stopOptions, unitOptions } from "./unit-options.ts";
import { directive, flagOr, texts, timeSpan } from "./unit-types.ts";

const optional = <T extends Parameters<typeof t.nullOr>[0]>(type: T, description: string) =>
  mkOption({ type: t.nullOr(type), default: null, description });
const command = (description: string) => mkOption({ type: texts, default: null, description });
const directory = (below: string) =>
  mkOption({
    type: texts,
    default: null,
    description: `Directories below ${below} that are made for the service and belong to its user.`,
  });
const mode = (description: string) => optional(t.strMatching("[0-7]{3,4}"), description);

/** Directives of `[Service]` that are known by type. */
export const serviceSection = {
  Type: optional(
    t.enum(["simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle"]),
    "How systemd learns that the service is up.",
  ),
  ExecStart: command("The command. A `oneshot` service may have several."),
  ExecStartPre: command("Commands to run before `ExecStart`."),
  ExecStartPost: command("Commands to run after the service is up."),
  ExecCondition: command("Commands that decide whether the service is started at all."),
  ExecReload: command("Commands that make the service read its configuration again."),
  ExecStop: command("Commands that ask the service to stop."),
  ExecStopPost: command("Commands to run after the service has stopped, for whatever reason."),
  Restart: optional(
    t.enum(["no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog"]),
    "When the service is started again by itself.",
  ),
  RestartSec: mkOption({ type: timeSpan, default: null, description: "Time to wait before such a restart." }),
  RemainAfterExit: optional(t.bool, "Whether the service counts as running after its commands have ended."),
  TimeoutStartSec: mkOption({ type: timeSpan, default: null, description: "How long the start may take." }),
  TimeoutStopSec: mkOption({ type: timeSpan, default: null, description: "How long the stop may take." }),
  User: optional(t.nonEmptyStr, "The user that the service runs as."),
  Group: optional(t.nonEmptyStr, "The group that the service runs as."),
  DynamicUser: optional(t.bool, "Whether a user is made for the time the service runs."),
  WorkingDirectory: optional(t.str, "Current directory of the service."),
  EnvironmentFile: command("Files with environment variables; `-` in front allows them to be missing."),
  StateDirectory: directory("/var/lib"),
  StateDirectoryMode: mode("Mode of the state directories."),
  RuntimeDirectory: directory("/run"),
  RuntimeDirectoryMode: mode("Mode of the runtime directories."),
  RuntimeDirectoryPreserve: mkOption({
    type: flagOr(["restart"]),
    default: null,
    description: "Whether the runtime directories stay when the service stops.",
  }),
  CacheDirectory: directory("/var/cache"),
  LogsDirectory: directory("/var/log"),
  LogsDirectoryMode: mode("Mode of the log directories."),
  ConfigurationDirectory: directory("/etc"),
  UMask: mode("Permissions that files made by the service never have."),
  KillMode: optional(t.enum(["control-group", "mixed", "process", "none"]), "Which processes a stop signals."),
  KillSignal: optional(t.str, "The signal of a stop."),
  PIDFile: optional(t.str, "File with the process id of a forking service."),
  AmbientCapabilities: command("Capabilities that the service's processes get without being root."),
  CapabilityBoundingSet: command("The only capabilities that the service's processes can ever have."),
  NoNewPrivileges: optional(t.bool, "Whether set-user-id programs have no effect in the service."),
  PrivateTmp: mkOption({
    type: flagOr(["disconnected"]),
    default: null,
    description: "Whether the service has its own /tmp and /var/tmp.",
  }),
  ProtectSystem: mkOption({
    type: flagOr(["full", "strict"]),
    default: null,
    description: "Which system directories are read-only for the service.",
  }),
  ProtectHome: mkOption({
    type: flagOr(["read-only", "tmpfs"]),
    default: null,
    description: "Whether home directories are hidden from the service.",
  }),
  StandardInput: optional(t.str, "Where standard input comes from."),
  StandardOutput: optional(t.str, "Where standard output goes to."),
  StandardError: optional(t.str, "Where standard error goes to."),
  Slice: optional(t.str, "The slice, that is the group of resource limits, that the service runs in."),
};

const script = (when: string, example: string) =>
  mkOption({ type: t.lines, default: "", description: `Shell script (bash, \`set -e\`) ${when}.`, example });

/** Options of `systemd.services.<name>`. */
export const serviceOptions = {
  ...unitOptions,
  ...stopOptions,
  environment: mkOption({
    type: t.attrsOf(t.nullOr(t.oneOf([t.str, t.int, t.bool]))),
    default: {},
    description: "Environment variables of the service; `null` leaves one out.",
    example: { LANG: "C.UTF-8" },
  }),
  path: mkOption({
    type: t.listOf(t.path),
    default: [],
    description:
      "Directories (or store objects) whose `bin` and `sbin` come first in the service's PATH. Programs of the " +
      "machine's packages need no entry: they lie in /usr/bin.",
    example: ["/opt/backup"],
  }),
  serviceConfig: mkOption({
    type: t.freeform(serviceSection, directive),
    default: {},
    description:
      "Directives of the unit's `[Service]` section, see systemd.service(5) and systemd.exec(5). A list writes its " +
      "directive several times.",
    example: { Type: "oneshot", ExecStart: "/usr/bin/true" },
  }),
  script: script("that is the service's command", "exec /usr/bin/python3 -m http.server"),
  scriptArgs: mkOption({
    type: t.str,
    default: "",
    description: "Arguments of `script`; specifiers such as `%i` are replaced.",
    example: "%i",
  }),
  preStart: script("to run before the command", "mkdir -p /run/app"),
  postStart: script("to run once the service is up", "until test -S /run/app.sock; do sleep 0.1; done"),
  reload: script("that makes the service read its configuration again", "kill -HUP $MAINPID"),
  preStop: script("that asks the service to stop", "app-ctl quit"),
  postStop: script("to run after the service has stopped", "rm -f /run/app.sock"),
  reloadIfChanged: mkOption({
    type: t.bool,
    default: false,
    description: "Whether a switch to a configuration that changes the unit reloads it instead of restarting it.",
    example: true,
  }),
  startAt: mkOption({
    type: t.either(t.str, t.listOf(t.str)),
    default: [],
    description: "Times, in the format of systemd.time(7), at which a timer of the same name starts the service.",
    example: "Sun 14:00:00",
  }),
};
