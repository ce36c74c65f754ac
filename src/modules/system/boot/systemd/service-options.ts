/**
 * Options of services: the directives of `[Service]` that are worth completing and checking, scripts as texts, and how
 * a service behaves on a switch. Any other directive of systemd.service(5), systemd.exec(5), systemd.kill(5) and
 * systemd.resource-control(5) may be written too; it is checked as a unit value only.
 */
import { mkOption, t } from "../../../../lib/index.ts";
import { packageType } from "../../../types.ts";
import { stopOptions, unitOptions } from "./unit-options.ts";
import { directive, flagOr, texts, timeSpan } from "./unit-types.ts";

const optional = <T extends Parameters<typeof t.nullOr>[0]>(type: T, description: string, example: unknown) =>
  mkOption({ type: t.nullOr(type), default: null, description, example });
const command = (description: string, example: string | readonly string[]) =>
  mkOption({ type: texts, default: null, description, example });
const directory = (below: string, example: string | readonly string[]) =>
  mkOption({
    type: texts,
    default: null,
    description: `Directories below ${below} that are made for the service and belong to its user.`,
    example,
  });
const mode = (description: string, example: string) => optional(t.strMatching("[0-7]{3,4}"), description, example);

/** Directives of `[Service]` that are known by type. */
export const serviceSection = {
  Type: optional(
    t.enum(["simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle"]),
    "How systemd learns that the service is up.",
    "notify",
  ),
  ExecStart: command("The command. A `oneshot` service may have several.", "/usr/bin/hello --verbose"),
  ExecStartPre: command("Commands to run before `ExecStart`.", ["/usr/bin/mkdir -p /run/app"]),
  ExecStartPost: command("Commands to run after the service is up.", "/usr/bin/logger started"),
  ExecCondition: command(
    "Commands that decide whether the service is started at all.",
    "/usr/bin/test -e /etc/app.conf",
  ),
  ExecReload: command("Commands that make the service read its configuration again.", "/usr/bin/kill -HUP $MAINPID"),
  ExecStop: command("Commands that ask the service to stop.", "/usr/bin/app-ctl quit"),
  ExecStopPost: command(
    "Commands to run after the service has stopped, for whatever reason.",
    "/usr/bin/rm -f /run/app.sock",
  ),
  Restart: optional(
    t.enum(["no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog"]),
    "When the service is started again by itself.",
    "on-failure",
  ),
  RestartSec: mkOption({
    type: timeSpan,
    default: null,
    description: "Time to wait before such a restart.",
    example: 5,
  }),
  RemainAfterExit: optional(t.bool, "Whether the service counts as running after its commands have ended.", true),
  TimeoutStartSec: mkOption({
    type: timeSpan,
    default: null,
    description: "How long the start may take.",
    example: "2min",
  }),
  TimeoutStopSec: mkOption({ type: timeSpan, default: null, description: "How long the stop may take.", example: 10 }),
  User: optional(t.nonEmptyStr, "The user that the service runs as.", "app"),
  Group: optional(t.nonEmptyStr, "The group that the service runs as.", "app"),
  DynamicUser: optional(t.bool, "Whether a user is made for the time the service runs.", true),
  WorkingDirectory: optional(t.str, "Current directory of the service.", "/var/lib/app"),
  EnvironmentFile: command(
    "Files with environment variables; `-` in front allows them to be missing.",
    "-/etc/default/app",
  ),
  StateDirectory: directory("/var/lib", "app"),
  StateDirectoryMode: mode("Mode of the state directories.", "0750"),
  RuntimeDirectory: directory("/run", ["app", "app/sockets"]),
  RuntimeDirectoryMode: mode("Mode of the runtime directories.", "0750"),
  RuntimeDirectoryPreserve: mkOption({
    type: flagOr(["restart"]),
    default: null,
    description: "Whether the runtime directories stay when the service stops.",
    example: true,
  }),
  CacheDirectory: directory("/var/cache", "app"),
  LogsDirectory: directory("/var/log", "app"),
  LogsDirectoryMode: mode("Mode of the log directories.", "0750"),
  ConfigurationDirectory: directory("/etc", "app"),
  UMask: mode("Permissions that files made by the service never have.", "0027"),
  KillMode: optional(t.enum(["control-group", "mixed", "process", "none"]), "Which processes a stop signals.", "mixed"),
  KillSignal: optional(t.str, "The signal of a stop.", "SIGINT"),
  PIDFile: optional(t.str, "File with the process id of a forking service.", "/run/app/app.pid"),
  AmbientCapabilities: command(
    "Capabilities that the service's processes get without being root.",
    "CAP_NET_BIND_SERVICE",
  ),
  CapabilityBoundingSet: command("The only capabilities that the service's processes can ever have.", [
    "CAP_NET_BIND_SERVICE",
    "CAP_CHOWN",
  ]),
  NoNewPrivileges: optional(t.bool, "Whether set-user-id programs have no effect in the service.", true),
  PrivateTmp: mkOption({
    type: flagOr(["disconnected"]),
    default: null,
    description: "Whether the service has its own /tmp and /var/tmp.",
    example: true,
  }),
  ProtectSystem: mkOption({
    type: flagOr(["full", "strict"]),
    default: null,
    description: "Which system directories are read-only for the service.",
    example: "strict",
  }),
  ProtectHome: mkOption({
    type: flagOr(["read-only", "tmpfs"]),
    default: null,
    description: "Whether home directories are hidden from the service.",
    example: "read-only",
  }),
  StandardInput: optional(t.str, "Where standard input comes from.", "null"),
  StandardOutput: optional(t.str, "Where standard output goes to.", "journal"),
  StandardError: optional(t.str, "Where standard error goes to.", "journal+console"),
  Slice: optional(t.str, "The slice, that is the group of resource limits, that the service runs in.", "batch.slice"),
};

const script = (when: string, example: string) =>
  mkOption({ type: t.lines, default: "", description: `Shell script (bash, \`set -e\`) ${when}.`, example });

/** Options of `systemd.services.<name>`. */
export const serviceOptions = {
  ...unitOptions,
  ...stopOptions,
  environment: mkOption({
    type: t.attrsOf(t.nullOr(t.oneOf([t.str, t.int, t.bool, t.path]))),
    default: {},
    description: "Environment variables of the service; `null` leaves one out.",
    example: { LANG: "C.UTF-8" },
  }),
  path: mkOption({
    type: t.listOf(t.either(packageType, t.path)),
    default: [],
    description:
      "What the service's commands need: packages, which become part of the system, and directories (or store objects) " +
      "whose `bin` and `sbin` come first in PATH.",
    example: ["pkgs.rsync", "/opt/backup"],
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
