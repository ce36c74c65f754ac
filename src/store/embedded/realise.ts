/**
 * Making targets valid: every derivation once, inputs first, as many at a time as allowed.
 *
 * Each object has one promise that says whether it is there; what uses it waits for it. When something fails, what
 * depends on it is not tried, and
 *
 *   – after a builder failed, or a transfer that would fail for the others too, everything else is stopped;
 *   – after a file was missing or wrong, no new builder starts but the other downloads go on, so that one run tells
 *     all the files that are gone.
 */
import { setMaxListeners } from "node:events";
import { availableParallelism } from "node:os";
import { type Problem, ProblemError } from "../../problems/index.ts";
import type { Derivation, Source, StoreObject } from "../objects.ts";
import type { StorePath } from "../path.ts";
import type { RealiseOptions, SandboxTool } from "../store.ts";
import { build } from "./build.ts";
import { Supervisors } from "./fork-server.ts";
import { originsOf } from "./graph.ts";
import { interrupted, ioProblem } from "./problems.ts";
import { publishText } from "./publish.ts";
import { ranks } from "./ranks.ts";
import { ScratchPool } from "./scratch.ts";
import { Slots } from "./slots.ts";
import { addSource } from "./sources.ts";
import type { State } from "./state.ts";
import { Substituter } from "./substitute.ts";
import { beginSync } from "./sync.ts";

const DEFAULT_FETCHES = 8;

/** Paths that are worth beginning to write before the end. */
const MUCH = 100;

/** Failures after which other downloads still tell something new. */
const LOCAL_FAILURES: ReadonlySet<string> = new Set(["fetch-not-found", "hash-mismatch"]);

/** Where valid paths may be copied from. */
export interface Caches {
  readonly substituters: readonly string[];
  readonly trustedPublicKeys: readonly string[];
}

/** Whoever repairs makes again what is damaged, and does not take somebody's word for it. */
export const noCaches: Caches = { substituters: [], trustedPublicKeys: [] };

/** Asks the caches, and tells of what is copied and of what cannot be used. Problem: `key-malformed`. */
export function substituterFor(
  state: State,
  { substituters, trustedPublicKeys }: Caches,
  options: Pick<RealiseOptions, "maxFetches" | "signal" | "onEvent">,
): Substituter {
  const { maxFetches = DEFAULT_FETCHES, signal = new AbortController().signal, onEvent } = options;
  return new Substituter(state, {
    caches: substituters,
    trustedPublicKeys,
    maxFetches,
    signal,
    onCopied: (path, from) => onEvent?.({ type: "substitute", path, from }),
    onRefused: (from, problem) => onEvent?.({ type: "cache-refused", from, problem }),
  });
}

/** One call of `realise`. */
export class Realisation {
  readonly #state: State;
  readonly #tool: SandboxTool;
  readonly #options: RealiseOptions;
  readonly #scratches: ScratchPool;
  readonly #supervisors = new Supervisors();
  readonly #jobs: Slots;
  readonly #fetches: Slots;
  readonly #stop = new AbortController();
  readonly #running = new Map<Derivation | Source, Promise<boolean>>();
  readonly #instantiated = new Set<Derivation>();
  readonly #problems: Problem[] = [];
  /** Where each derivation stands in the order of beginning. */
  #ranks: ReadonlyMap<Derivation, number> = new Map();
  readonly #substituter: Substituter | undefined;
  #cause: unknown;
  /** Paths that were made when the disk was last told to write. */
  #written = 0;
  #prefix: Promise<readonly string[]> | undefined;

  /** Paths to be made again although they are valid; one leaves the set when it was. */
  readonly #again: Set<StorePath>;

  /** Problem: `key-malformed`. */
  constructor(
    state: State,
    tool: SandboxTool,
    options: RealiseOptions,
    caches: Caches,
    again: Set<StorePath> = new Set(),
  ) {
    this.#state = state;
    this.#again = again;
    this.#tool = tool;
    this.#options = options;
    // Every running job listens; that is no leak.
    setMaxListeners(0, this.#stop.signal);
    this.#scratches = new ScratchPool(state.temporaries);
    this.#jobs = new Slots(options.maxJobs ?? availableParallelism(), () => this.#useSpareTime());
    const maxFetches = options.maxFetches ?? DEFAULT_FETCHES;
    this.#fetches = new Slots(maxFetches);
    if (caches.substituters.length > 0) {
      this.#substituter = substituterFor(state, caches, { ...options, maxFetches, signal: this.#stop.signal });
    }
  }

  /** A builder less than could run: the last ones wait for each other, and the disk may as well write what the others made. */
  #useSpareTime(): void {
    const { made, layout } = this.#state;
    if (made.size < this.#written + MUCH) return;
    this.#written = made.size;
    beginSync(layout.store);
  }

  /** Make the targets valid, or throw everything that went wrong. */
  async run(targets: readonly StoreObject[]): Promise<void> {
    const { signal } = this.#options;
    const stop = (): void => this.#stop.abort();
    signal?.addEventListener("abort", stop);
    if (signal?.aborted === true) stop();
    const origins = originsOf(targets);
    this.#ranks = ranks(origins.filter((target) => target.type === "derivation"));
    try {
      await Promise.all(
        origins.map((target) =>
          target.type === "source" ? this.#source(target) : this.#derivation(target, target.outputNames),
        ),
      );
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#scratches.close();
      this.#supervisors.close();
    }
    this.#describe(targets);
    if (signal?.aborted === true) throw new ProblemError([interrupted()], { cause: signal.reason });
    const [first, ...rest] = this.#problems;
    // One failure is thrown as it is; only several need an error that holds them together.
    if (first !== undefined && rest.length > 0) throw new ProblemError([first, ...rest], { cause: this.#cause });
    if (this.#cause !== undefined) throw this.#cause;
  }

  /** A target whose outputs were there may still lack its description, when that was damaged and forgotten. */
  #describe(targets: readonly StoreObject[]): void {
    if (this.#cause !== undefined || this.#stop.signal.aborted) return;
    for (const target of originsOf(targets)) if (target.type === "derivation") this.#instantiate(target);
  }

  async #derivation(drv: Derivation, outputs: readonly string[]): Promise<boolean> {
    if (this.#isValid(drv, outputs)) return true;
    return this.#once(drv, () => this.#make(drv));
  }

  async #source(source: Source): Promise<boolean> {
    if (this.#state.infos.isValid(source.path)) return true;
    return this.#once(source, async () => {
      if (!(await this.#all(source.references.map((reference) => this.#source(reference))))) return false;
      this.#options.onEvent?.({ type: "add", source });
      return this.#attempt(undefined, () => addSource(this.#state, source, this.#stop.signal));
    });
  }

  async #make(drv: Derivation): Promise<boolean> {
    // Before its inputs are looked at: what a cache has needs none of them.
    if (await this.#substituted(drv)) return true;
    const inputs = await this.#all([
      ...drv.inputSources.map((source) => this.#source(source)),
      ...drv.inputDerivations.map((input) => this.#derivation(input.derivation, input.outputs)),
    ]);
    if (!inputs) return false;
    if (drv.data.builder === "builtin:fetchurl")
      return this.#fetches.use(() => this.#alone(drv, () => this.#fetch(drv)), this.#ranks.get(drv));
    // Making the tool ready may itself realise something, and must not hold a slot it could need.
    const prefix = this.#prefix;
    if (prefix === undefined && !(await this.#attempt(drv, async () => void (await this.#prepare())))) return false;
    return this.#jobs.use(async (leave) => {
      if (this.#problems.length > 0 || this.#cause !== undefined) return false;
      return this.#alone(drv, () => this.#build(drv, leave));
    }, this.#ranks.get(drv));
  }

  /** True when caches had every output. What cannot be copied, for whatever reason, can be made. */
  async #substituted(drv: Derivation): Promise<boolean> {
    if (this.#substituter === undefined || this.#stop.signal.aborted) return false;
    try {
      return await this.#substituter.copy(Object.values(drv.outputs));
    } catch (error) {
      if (this.#stop.signal.aborted) return false;
      if (!(error instanceof ProblemError)) return this.#attempt(drv, () => Promise.reject(error));
      for (const problem of error.problems) this.#options.onEvent?.({ type: "cache-refused", from: drv.name, problem });
      return false;
    }
  }

  /** Do `work` while nobody else makes the outputs, unless somebody just did. */
  #alone(drv: Derivation, work: () => Promise<void>): Promise<boolean> {
    return this.#attempt(drv, () =>
      this.#state.locks.with(Object.values(drv.outputs), this.#stop.signal, async () => {
        if (this.#isValid(drv, drv.outputNames)) return;
        const begun = performance.now();
        this.#options.onEvent?.({ type: "start", drv });
        this.#instantiate(drv);
        await work();
        for (const path of Object.values(drv.outputs)) this.#again.delete(path);
        this.#options.onEvent?.({ type: "done", drv, milliseconds: performance.now() - begun });
      }),
    );
  }

  async #fetch(drv: Derivation): Promise<void> {
    // TLS and HTTP take longer to load than a warm build takes altogether.
    const { fetchUrl } = await import("./fetch.ts");
    const { onEvent } = this.#options;
    await fetchUrl(this.#state, drv, {
      signal: this.#stop.signal,
      ...(onEvent === undefined
        ? {}
        : {
            onProgress: (received, total) =>
              onEvent({ type: "fetch-progress", drv, received, ...(total === undefined ? {} : { total }) }),
          }),
    });
  }

  async #build(drv: Derivation, ended: () => void): Promise<void> {
    const { onEvent } = this.#options;
    const tool = await this.#prepare();
    await this.#scratches.use((scratch) =>
      build(this.#state, drv, {
        tool,
        scratch,
        supervise: this.#supervisors.next(),
        signal: this.#stop.signal,
        again: this.#again,
        ended,
        time: this.#options,
        ...(onEvent === undefined ? {} : { onLine: (line) => onEvent({ type: "log", drv, line }) }),
      }),
    );
  }

  #prepare(): Promise<readonly string[]> {
    this.#prefix ??= this.#tool.prepare();
    return this.#prefix;
  }

  /** Write the `.drv` file, and those it refers to: what was built can be looked up and handed to a real Nix. */
  #instantiate(drv: Derivation): void {
    if (this.#instantiated.has(drv)) return;
    this.#instantiated.add(drv);
    if (this.#state.infos.isValid(drv.drvPath)) return;
    for (const { derivation } of drv.inputDerivations) this.#instantiate(derivation);
    const sources = drv.inputSources.map((source) => source.path).filter((path) => this.#state.infos.isValid(path));
    const references = [...sources, ...drv.inputDerivations.map(({ derivation }) => derivation.drvPath)];
    publishText(this.#state, drv.drvPath, drv.text, references);
  }

  #isValid(drv: Derivation, outputs: readonly string[]): boolean {
    return outputs.every((output) => {
      const path = drv.outputs[output] as StorePath;
      return this.#state.infos.isValid(path) && !this.#again.has(path);
    });
  }

  #once(object: Derivation | Source, work: () => Promise<boolean>): Promise<boolean> {
    const running = this.#running.get(object) ?? work();
    this.#running.set(object, running);
    return running;
  }

  async #all(parts: readonly Promise<boolean>[]): Promise<boolean> {
    return (await Promise.all(parts)).every(Boolean);
  }

  /** Run `work`; what it throws is kept, told, and may stop the rest. */
  async #attempt(drv: Derivation | undefined, work: () => Promise<void>): Promise<boolean> {
    if (this.#stop.signal.aborted) return false;
    try {
      await work();
      return true;
    } catch (thrown) {
      // Killed because something else failed: that is what gets told.
      if (this.#stop.signal.aborted) return false;
      const error = ioProblem(thrown, this.#state.layout.root);
      const problems = error instanceof ProblemError ? error.problems : [];
      const code = problems[0]?.code ?? "unexpected";
      if (drv !== undefined) this.#options.onEvent?.({ type: "fail", drv, code });
      // Several builders may wait for the one sandbox that cannot be made ready.
      this.#problems.push(...problems.filter((found) => !this.#problems.includes(found)));
      this.#cause ??= error;
      if (!LOCAL_FAILURES.has(code)) this.#stop.abort();
      return false;
    }
  }
}
