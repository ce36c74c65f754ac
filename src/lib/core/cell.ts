/**
 * Cells: values that are computed when they are first read.
 *
 * Every option value, element value and condition is a cell. A cell knows whether it is being computed, so reading it
 * again meanwhile is an infinite recursion and is reported as one, with the whole circle.
 *
 * Options may depend on each other thousands deep, which the stack of JavaScript cannot hold. When `maxNesting` cells are
 * being computed inside each other, the next one throws a `Suspension` to the outermost `force`, which computes that
 * cell on the empty stack and then starts again with the one that needed it:
 *
 *     c0 → c1 → … → c400 ✗        c400 → … → c800 ✗        c800 → … → c900 ✓   c400 ✓   c0 ✓
 *
 * Thunks are pure, so running some of them twice is harmless, and a chain costs at most twice its length. The depth of
 * a configuration is thus limited by memory alone. (A larger `--stack-size` was rejected: whoever imports the library
 * would have to know about it.)
 */
import { ConfigError } from "../config-error.ts";
import type { Origin } from "./origin.ts";
import { infiniteRecursion, thunkThrew } from "./problems.ts";

const idle = 0;
const running = 1;
const done = 2;

/**
 * How much may be computed inside each other on one stack: 400 options. Node's default stack holds 1000 whose thunks read
 * the next one, and 600 where lists are merged or thunks call others on the way; the rest is room for calls of their own.
 */
const maxNesting = 1600;

/** A value that is computed when it is first read. */
export abstract class Cell {
  // There is a cell for every option: `private` costs nothing to set up, `#` a call for each.
  private state: 0 | 1 | 2;
  private value: unknown;
  /** The cell's part of `maxNesting`: what its computation takes of the stack. */
  private readonly weight: number;

  constructor(weight = 4) {
    this.state = idle;
    this.value = undefined;
    this.weight = weight;
  }

  /** Work out the value. Runs at most once successfully; a failure is not remembered. */
  protected abstract compute(): unknown;
  /** What the cell is, for the text of a recursion: an option's path. */
  abstract describe(): string;
  /** The option that the cell belongs to, if it is (a part of) one. */
  option(): string | undefined {
    return undefined;
  }

  /** What an error says was being evaluated, unless that goes without saying. */
  context(): string | undefined {
    return this.describe();
  }

  /** True once the value is known. */
  get isDone(): boolean {
    return this.state === done;
  }

  /** The value, computed now if need be. */
  force(): unknown {
    if (this.state === done) return this.value;
    if (this.state === running) throw recursion(this);
    if (depth === 0) return drive(this);
    if (nesting >= maxNesting) throw new Suspension(this);
    return this.run();
  }

  /** Compute on the present stack. @internal */
  run(): unknown {
    const own = depth;
    const before = nesting;
    nesting = before + this.weight;
    this.state = running;
    active[own] = this;
    places[own] = undefined;
    depth = own + 1;
    try {
      const value = this.compute();
      if (suspended !== undefined) throw suspended;
      this.value = value;
      this.state = done;
      active[own] = undefined;
      depth = own;
      nesting = before;
      return value;
    } catch (error) {
      // No `finally`: unwinding through hundreds of cells took twice as long with one.
      throw this.failed(error, own, before);
    }
  }

  /** Clean up after a computation that threw, and say what to throw on. */
  private failed(error: unknown, own: number, before: number): unknown {
    // Whatever was thrown after a suspension, nothing was computed to the end. Where the stack was full before the count
    // was, the remedy is the same.
    const place = places[depth - 1];
    const suspension = suspended ?? (depth > 1 && isStackOverflow(error) ? new Suspension(this) : undefined);
    // Cells inside this one that had no stack left to clean up.
    while (--depth > own) active[depth]?.hold(false);
    active[own] = undefined;
    nesting = before;
    this.state = idle;
    // Only now: looking at what was thrown may run code, a proxy's for one.
    return suspension ?? this.explain(error, place);
  }

  /** While a cell waits for a suspended one it still counts as running. @internal */
  hold(held: boolean): void {
    if (this.state !== done) this.state = held ? running : idle;
  }

  private explain(error: unknown, place: Origin | undefined): unknown {
    if (ConfigError.isOne(error)) {
      const context = this.context();
      if (context !== undefined) error.passThrough(context);
      return error;
    }
    return thunkThrew(error, this.option() ?? this.describe(), place);
  }
}

/**
 * The cells being computed, outermost first, and for each the definition whose thunk is running. They have room for deep
 * chains from the start: growing meanwhile would copy them over and over.
 */
const active: (Cell | undefined)[] = new Array<undefined>(maxNesting).fill(undefined);
const places: (Origin | undefined)[] = new Array<undefined>(maxNesting).fill(undefined);
let depth = 0;
/** The weight of the cells being computed. */
let nesting = 0;

/** Remember which definition the innermost cell is running, for recursions and for errors thrown by thunks. */
export function at(origin: Origin | undefined): void {
  if (depth > 0) places[depth - 1] = origin;
}

/** Pass on what a thunk returned, unless it returned because it caught a suspension. */
export function returned<T>(value: T): T {
  if (suspended !== undefined) throw suspended;
  return value;
}

/** Thrown through everything to the outermost `force`, asking it to compute `cell` first. */
class Suspension {
  readonly cell: Cell;
  readonly trail: readonly Step[];
  constructor(cell: Cell) {
    this.cell = cell;
    // A cell that ran out of stack is on the trail itself, and behind it are those that could not even clean up.
    const steps = trail();
    const own = steps.findIndex((step) => step.cell === cell);
    this.trail = own < 0 ? steps : steps.slice(0, own);
    suspended = this;
  }
}
/** The suspension on its way; set so that user code cannot swallow it. */
let suspended: Suspension | undefined;

/** A cell on the way to a recursion, and the place of the definition that read on. */
export interface Step {
  readonly cell: Cell;
  readonly place: Origin | undefined;
}

/** The cells that wait for a suspended one, as the steps from the outermost. */
let waiting: Step[] = [];

function trail(): Step[] {
  const steps: Step[] = [];
  for (let i = 0; i < depth; i++) steps.push({ cell: active[i] as Cell, place: places[i] });
  return steps;
}

/** Compute `root` on the empty stack. */
function drive(root: Cell): unknown {
  try {
    // Nearly every cell is computed on the stack that there is.
    return root.run();
  } catch (error) {
    if (suspended === undefined) throw error;
  }
  return resume(root);
}

/** The stack was too small for `root`: first compute what it was too small for, each on an empty stack. */
function resume(root: Cell): unknown {
  const pending: { readonly cell: Cell; readonly held: readonly Step[] }[] = [{ cell: root, held: [] }];
  const outer = waiting;
  try {
    for (;;) {
      if (suspended !== undefined) {
        const { cell: needed, trail: held } = suspended;
        suspended = undefined;
        waiting = [...waiting, ...held];
        for (const step of held) step.cell.hold(true);
        pending.push({ cell: needed, held });
      }
      const { cell } = pending[pending.length - 1] as { cell: Cell };
      cell.hold(false);
      try {
        const value = cell.run();
        const finished = pending.pop();
        if (pending.length === 0) return value;
        waiting = waiting.slice(0, waiting.length - (finished?.held.length ?? 0));
        release(finished?.held ?? []);
      } catch (error) {
        if (suspended === undefined) throw error;
      }
    }
  } finally {
    suspended = undefined;
    for (const entry of pending) release(entry.held);
    waiting = outer;
  }
}

function release(steps: readonly Step[]): void {
  for (const step of steps) step.cell.hold(false);
}

/** True also for what cannot be looked at: that may be for want of stack, and on an empty one it is known to be not. */
function isStackOverflow(error: unknown): boolean {
  try {
    return error instanceof RangeError && error.message === "Maximum call stack size exceeded";
  } catch {
    return true;
  }
}

/** The circle that reading `cell` closes. */
function recursion(cell: Cell): ConfigError {
  const steps = [...waiting, ...trail()];
  const start = steps.findLastIndex((step) => step.cell === cell);
  const circle = start < 0 ? steps : steps.slice(start);
  return infiniteRecursion(
    circle.map((step) => ({ what: step.cell.describe(), option: step.cell.option(), origin: step.place })),
    cell.describe(),
  );
}

/** Run `f`, and tell of every cell when its computation begins and ends. Nothing is in the way of cells at other times. */
export function watchCells<T>(begin: (cell: Cell) => void, end: () => void, f: () => T): T {
  const run = Reflect.get(Cell.prototype, "run") as (this: Cell) => unknown;
  Cell.prototype.run = function watched(this: Cell): unknown {
    begin(this);
    try {
      return run.call(this);
    } finally {
      end();
    }
  };
  try {
    return f();
  } finally {
    Cell.prototype.run = run;
  }
}

/** A computation that has no option of its own: a look at all modules, a question about an option. */
export class Computation extends Cell {
  private readonly what: string;
  private readonly work: () => unknown;

  constructor(what: string, compute: () => unknown) {
    super();
    this.what = what;
    this.work = compute;
  }
  override describe(): string {
    return this.what;
  }
  override context(): undefined {
    return undefined;
  }
  protected override compute(): unknown {
    return this.work();
  }
}
