/**
 * What Nix tells while it builds, as build events. Pure but for the callback.
 *
 * With `--log-format internal-json` every line is `@nix {…}`: activities that start and stop, results that belong to
 * one, and messages. A few kinds of activities matter here; what is not known is passed over, since later Nixes have more.
 */
import type { Derivation } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { BuildEvent } from "../store.ts";
import { plain } from "./command.ts";
import { type Refusal, refusalOf, tellsOfNeed } from "./machines.ts";

const FILE_TRANSFER = 101;
const BUILD = 105;
const SUBSTITUTE = 108;

const LOG_LINE = 101;
const PROGRESS = 105;

/** Lines of a program that are kept for a problem to quote. */
const KEPT_LINES = 20;

/** What to know of the derivations that Nix may speak of. */
export interface EventContext {
  readonly byDrvPath: ReadonlyMap<StorePath, Derivation>;
  /** True when the derivation's outputs are there; asked when a builder has ended. */
  readonly isMade: (drv: Derivation) => boolean;
  readonly onEvent?: (event: BuildEvent) => void;
}

type Activity =
  | { readonly kind: "build"; readonly drv: Derivation; readonly begun: number }
  | { readonly kind: "fetch"; readonly drv: Derivation }
  | { readonly kind: "other" };

/** Understands Nix's lines one after the other. */
export class NixEvents {
  /** Error messages in the order they came. */
  readonly errors: string[] = [];
  /** The last lines of each builder. */
  readonly logs = new Map<StorePath, string[]>();
  /** Where each was built, if not here. */
  readonly machines = new Map<StorePath, string>();
  /** Machines that could not be built on. */
  readonly refusals: Refusal[] = [];
  /** The last lines that are not Nix's, but of a program it runs: ssh. */
  readonly #words: string[] = [];
  readonly #context: EventContext;
  readonly #byUrl: ReadonlyMap<string, Derivation>;
  readonly #activities = new Map<unknown, Activity>();
  /** How many activities tell of a derivation: a machine reached by `ssh-ng://` tells of its own, too, within ours. */
  readonly #building = new Map<Derivation, number>();

  constructor(context: EventContext) {
    this.#context = context;
    this.#byUrl = new Map([...context.byDrvPath.values()].map((drv) => [drv.data.env.get("url") ?? "", drv]));
  }

  /** The next line, without its end. */
  line(text: string): void {
    const message = text.startsWith("@nix ") ? parse(text.slice(5)) : undefined;
    if (message === undefined) {
      if (text.startsWith("error:")) this.errors.push(plain(text));
      else keep(this.#words, plain(text));
      return;
    }
    const { action, id } = message;
    if (action === "start") this.#start(id, message["type"], list(message["fields"]));
    else if (action === "stop") this.#stop(id);
    else if (action === "result") this.#result(id, message["type"], list(message["fields"]));
    else if (action === "msg") this.#message(message["level"], plain(String(message["msg"])));
  }

  #message(level: unknown, text: string): void {
    const refusal = refusalOf(text, this.#words.splice(0));
    if (refusal !== undefined) {
      this.refusals.push(refusal);
      this.#context.onEvent?.({ type: "machine-refused", ...refusal });
    } else if (level === 0 || tellsOfNeed(text)) this.errors.push(text);
  }

  #start(id: unknown, type: unknown, fields: readonly unknown[]): void {
    const drv = this.#context.byDrvPath.get(String(fields[0]));
    if (type === BUILD && drv !== undefined) {
      this.#activities.set(id, { kind: "build", drv, begun: performance.now() });
      // A machine that tells of its own builders names none.
      if (typeof fields[1] === "string" && fields[1] !== "") this.machines.set(drv.drvPath, fields[1]);
      if (this.#count(drv, 1) === 1) this.#context.onEvent?.({ type: "start", drv });
      return;
    }
    const fetched = this.#byUrl.get(String(fields[0]));
    if (type === FILE_TRANSFER && fetched !== undefined) this.#activities.set(id, { kind: "fetch", drv: fetched });
    else if (type === SUBSTITUTE) {
      this.#context.onEvent?.({ type: "substitute", path: String(fields[0]), from: String(fields[1]) });
    }
  }

  #stop(id: unknown): void {
    const activity = this.#activities.get(id);
    this.#activities.delete(id);
    if (activity?.kind !== "build") return;
    const { drv, begun } = activity;
    if (this.#count(drv, -1) > 0) return;
    if (this.#context.isMade(drv))
      this.#context.onEvent?.({ type: "done", drv, milliseconds: performance.now() - begun });
    else this.#context.onEvent?.({ type: "fail", drv, code: "builder-failed" });
  }

  #count(drv: Derivation, change: 1 | -1): number {
    const count = (this.#building.get(drv) ?? 0) + change;
    this.#building.set(drv, count);
    return count;
  }

  #result(id: unknown, type: unknown, fields: readonly unknown[]): void {
    const activity = this.#activities.get(id);
    if (activity?.kind === "build" && type === LOG_LINE) {
      const line = plain(String(fields[0]));
      const kept = this.logs.get(activity.drv.drvPath) ?? [];
      keep(kept, line);
      this.logs.set(activity.drv.drvPath, kept);
      this.#context.onEvent?.({ type: "log", drv: activity.drv, line });
    } else if (activity?.kind === "fetch" && type === PROGRESS) {
      const [received, total] = fields.map(Number);
      this.#context.onEvent?.({
        type: "fetch-progress",
        drv: activity.drv,
        received: received ?? 0,
        ...(total === undefined || total === 0 ? {} : { total }),
      });
    }
  }
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function keep(lines: string[], line: string): void {
  lines.push(line);
  if (lines.length > KEPT_LINES) lines.shift();
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
