/**
 * From the merged options of a unit to the text of its file. Pure: scripts have become store paths before.
 *
 * A unit of which nothing remains to be said (a service that is only enabled, by `wantedBy`) has no text at all; the
 * packaged unit is then linked as it is.
 */
import { createHash } from "node:crypto";
import type { Values } from "../../../../lib/index.ts";
import type { Package } from "../../../../packages/index.ts";
import { fail } from "../../../../problems/index.ts";
import type { StoreObject } from "../../../../store/index.ts";
import { environmentAssignment, escapePath } from "./escape.ts";
import type {
  automountOptions,
  mountOptions,
  pathOptions,
  sliceOptions,
  socketOptions,
  timerOptions,
} from "./other-options.ts";
import type { serviceOptions } from "./service-options.ts";
import type { unitOptions } from "./unit-options.ts";
import type { Directive, Section } from "./unit-types.ts";

export type UnitValue = Values<typeof unitOptions>;
export type ServiceValue = Values<typeof serviceOptions>;
export type SocketValue = Values<typeof socketOptions>;
export type TimerValue = Values<typeof timerOptions>;
export type PathValue = Values<typeof pathOptions>;
export type SliceValue = Values<typeof sliceOptions>;
export type MountValue = Values<typeof mountOptions>;
export type AutomountValue = Values<typeof automountOptions>;

/** Commands that replace a service's scripts: the store paths of the script files. */
export type ServiceScripts = Partial<
  Record<"script" | "preStart" | "postStart" | "reload" | "preStop" | "postStop", string>
>;

/** A rendered unit: its text, and whether that text can stand without the unit that a package ships. */
export interface RenderedUnit {
  readonly text: string | null;
  readonly complete: boolean;
}

/** Render a service. */
export function renderService(name: string, service: ServiceValue, scripts: ServiceScripts): RenderedUnit {
  const given = service.serviceConfig;
  const first = (command: Directive): boolean =>
    command !== null && list(command)[0] !== undefined && list(command)[0] !== "";
  const section: Section = {
    ...given,
    Environment: [...environment(service), ...list(given["Environment"] ?? null)],
    ExecStart: together(
      given.ExecStart,
      scripts.script && [scripts.script, service.scriptArgs].filter(Boolean).join(" "),
    ),
    ExecStartPre: together(given.ExecStartPre, scripts.preStart),
    ExecStartPost: together(given.ExecStartPost, scripts.postStart),
    ExecReload: together(given.ExecReload, scripts.reload),
    ExecStop: together(given.ExecStop, scripts.preStop),
    ExecStopPost: together(given.ExecStopPost, scripts.postStop),
    "X-RestartIfChanged": service.restartIfChanged ? null : false,
    "X-StopIfChanged": service.stopIfChanged ? null : false,
    "X-ReloadIfChanged": service.reloadIfChanged || null,
  };
  return {
    text: unitText(`systemd.services.${name}`, service, "Service", section),
    complete: first(section["ExecStart"] ?? null) || first(section["ExecStop"] ?? null),
  };
}

/** Render a socket. */
export function renderSocket(name: string, socket: SocketValue): RenderedUnit {
  const section: Section = {
    ListenStream: socket.listenStreams,
    ListenDatagram: socket.listenDatagrams,
    ...socket.socketConfig,
  };
  const listens = Object.entries(section).some(([key, value]) => key.startsWith("Listen") && stands(value));
  return { text: unitText(`systemd.sockets.${name}`, socket, "Socket", section), complete: listens };
}

/** Render a timer. */
export function renderTimer(name: string, timer: TimerValue): RenderedUnit {
  const section: Section = timer.timerConfig;
  const times = Object.entries(section).some(([key, value]) => key.startsWith("On") && stands(value));
  return { text: unitText(`systemd.timers.${name}`, timer, "Timer", section), complete: times };
}

/** Render a path unit. */
export function renderPath(name: string, path: PathValue): RenderedUnit {
  const watches = Object.entries(path.pathConfig).some(
    ([key, value]) => /^(Path|Directory)/.test(key) && stands(value),
  );
  return { text: unitText(`systemd.paths.${name}`, path, "Path", path.pathConfig), complete: watches };
}

/** Render a target. Those that systemd itself has are only added to. */
export function renderTarget(name: string, target: UnitValue): RenderedUnit {
  const complete = !systemdTargets.has(name);
  return { text: unitText(`systemd.targets.${name}`, target) ?? (complete ? "[Unit]\n" : null), complete };
}

/** Render a slice. Those that systemd itself has are only added to. */
export function renderSlice(name: string, slice: SliceValue): RenderedUnit {
  const complete = !["-", "system", "user", "machine", "capsule"].includes(name);
  const text = unitText(`systemd.slices.${name}`, slice, "Slice", slice.sliceConfig);
  return { text: text ?? (complete ? "[Unit]\n" : null), complete };
}

/** Render a mount; its name follows from its mount point. */
export function renderMount(mount: MountValue): RenderedUnit {
  const section: Section = {
    What: mount.what,
    Where: mount.where,
    Type: mount.type || null,
    Options: mount.options || null,
    ...mount.mountConfig,
    "X-RestartIfChanged": mount.restartIfChanged ? null : false,
    "X-StopIfChanged": mount.stopIfChanged ? null : false,
  };
  return { text: unitText(`systemd.mounts.${escapePath(mount.where)}`, mount, "Mount", section), complete: true };
}

/** Render an automount; its name follows from its mount point. */
export function renderAutomount(automount: AutomountValue): RenderedUnit {
  const section: Section = { Where: automount.where, ...automount.automountConfig };
  const option = `systemd.automounts.${escapePath(automount.where)}`;
  return { text: unitText(option, automount, "Automount", section), complete: true };
}

/**
 * Write an INI-like file of systemd's: a section for each entry, a line for each value; empty sections are left out.
 * `option` names the option in the problem that a line break in a value is.
 */
export function renderSections(option: string, sections: readonly (readonly [string, Section])[]): string {
  return sections
    .map(([name, section]) => [name, sectionLines(option, section)] as const)
    .filter(([, lines]) => lines.length > 0)
    .map(([name, lines]) => [`[${name}]`, ...lines, ""].join("\n"))
    .join("\n");
}

function unitText(option: string, unit: UnitValue, name = "", section: Section = {}): string | null {
  const text = renderSections(option, [
    ["Unit", unitSection(unit)],
    ...(name === "" ? [] : [[name, section] as const]),
  ]);
  return text === "" ? null : text;
}

function unitSection(unit: UnitValue): Section {
  const relation = (units: readonly string[]) => (units.length === 0 ? null : [...new Set(units)].join(" "));
  // Only a change matters, so what does not fit on a line is named by its hash.
  const trigger = (texts: readonly (string | StoreObject)[]) =>
    texts
      .map(String)
      .map((text) => (/^\S{1,200}$/.test(text) ? text : createHash("sha256").update(text).digest("hex")));
  return {
    Description: unit.description || null,
    Documentation: relation(unit.documentation),
    Wants: relation(unit.wants),
    Requires: relation(unit.requires),
    Requisite: relation(unit.requisite),
    Upholds: relation(unit.upholds),
    BindsTo: relation(unit.bindsTo),
    PartOf: relation(unit.partOf),
    Conflicts: relation(unit.conflicts),
    After: relation(unit.after),
    Before: relation(unit.before),
    OnFailure: relation(unit.onFailure),
    OnSuccess: relation(unit.onSuccess),
    ...unit.unitConfig,
    "X-Restart-Triggers": trigger(unit.restartTriggers),
    "X-Reload-Triggers": trigger(unit.reloadTriggers),
  };
}

function environment(service: ServiceValue): string[] {
  // Packages of the machine are in /usr, which the path ends with.
  const path = service.path.filter((one) => !isPackage(one)).flatMap((dir) => [`${dir}/bin`, `${dir}/sbin`]);
  // A PATH of one's own wins: who sets it knows why.
  const withPath: typeof service.environment =
    path.length === 0 ? service.environment : { PATH: [...path, defaultPath].join(":"), ...service.environment };
  return Object.entries(withPath)
    .filter(([, value]) => value !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => environmentAssignment(key, String(value)));
}

/** True for a package of the package set, as opposed to a directory or another store object. */
export function isPackage(value: string | Package): value is Package {
  return typeof value === "object" && value.type === "package";
}

function sectionLines(option: string, section: Section): string[] {
  return Object.entries(section).flatMap(([key, value]) =>
    list(value).map((one) => {
      const text = String(one);
      // A line may be continued, by a backslash; a bare line break would start a directive of its own.
      if (/(^|[^\\])[\n\r]/.test(text)) {
        fail({
          code: "unit-value-line-break",
          option,
          message: `${option}: the value of ${key} holds a line break, which would end the directive`,
          notes: [`the value is ${JSON.stringify(text)}`],
          fix: "Give a list to write the directive several times, or put the text into a file.",
        });
      }
      return `${key}=${text}`;
    }),
  );
}

function list(value: Directive): readonly (boolean | number | string)[] {
  return value === null ? [] : typeof value === "object" ? value : [value];
}

/** True when a value says more than "forget what the packaged unit says". */
function stands(value: Directive): boolean {
  return list(value).some((one) => one !== "");
}

function together(given: Directive, script: string | undefined): Directive {
  return script === undefined ? given : [...list(given), script];
}

/** The search path that systemd gives to services, and the place of set-user-id programs before it. */
export const defaultPath = "/run/wrappers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";

/** Targets of systemd's own package: defining one of them adds to it. */
const systemdTargets: ReadonlySet<string> = new Set(
  (
    "basic bluetooth boot-complete ctrl-alt-del cryptsetup cryptsetup-pre default emergency exit factory-reset final " +
    "first-boot-complete getty getty-pre graphical halt hibernate hybrid-sleep initrd kexec local-fs local-fs-pre " +
    "machines multi-user network network-online network-pre nss-lookup nss-user-lookup paths poweroff printer reboot " +
    "remote-cryptsetup remote-fs remote-fs-pre rescue rpcbind shutdown sigpwr sleep slices smartcard sockets " +
    "soft-reboot sound ssh-access suspend suspend-then-hibernate swap sysinit system-update system-update-pre " +
    "time-set time-sync timers tpm2 umount usb-gadget"
  ).split(" "),
);
