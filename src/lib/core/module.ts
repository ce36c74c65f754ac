/**
 * Modules as the evaluator sees them, and how a list of modules becomes the ordered list that is merged.
 *
 * Imports are followed breadth-first. Of modules with the same key the first one found counts and the others are
 * dropped with their imports; a module without a key of its own is known by its place (`parent:anon-2`), or, when it is
 * a value made by `defineModule`, by its identity. A disabled module disappears with its imports, wherever it was
 * disabled. The list is then reversed: the last module comes first, and imports before their importers. That is the
 * order in which lists are concatenated.
 *
 *     [A (imports A1, A2 (imports A2x)), B]   →   A2x, A2, A1, B, A
 */

import { isList } from "./careful.ts";
import { Origin, unknownOrigin } from "./origin.ts";
import { kindOf } from "./print.ts";
import { moduleClass, notAModule } from "./problems.ts";
import type { Type } from "./type.ts";

/** The parts of a module. */
export interface ModuleFields {
  readonly key?: unknown;
  readonly file?: string | undefined;
  readonly class?: string | undefined;
  readonly imports?: readonly ModuleLike[] | undefined;
  readonly disabledModules?: readonly unknown[] | undefined;
  /** Options and groups of options. */
  readonly options?: object | undefined;
  /** Definitions, or a function from the module arguments to them. */
  readonly config?: unknown;
  /** Definitions of priority 1400, or a function to them. */
  readonly defaults?: unknown;
  readonly freeformType?: Type | undefined;
}

/** A module. */
export class ModuleRecord {
  readonly fields: ModuleFields;
  readonly origin: Origin | undefined;
  /** Known by identity: imported twice it is one module. */
  readonly isValue: boolean;

  constructor(fields: ModuleFields, origin?: Origin, isValue = false) {
    this.fields = fields;
    this.origin = origin ?? (typeof fields.file === "string" ? new Origin(fields.file) : undefined);
    this.isValue = isValue;
  }
}

/** A module, or a function from the module arguments to one. */
export type ModuleLike = ModuleRecord | ((args: object) => ModuleRecord);

/** A module in its place. */
export interface Entry {
  readonly fields: ModuleFields;
  readonly origin: Origin;
  /** 0 for the modules that were given, 1 for their imports, and so on. */
  readonly level: number;
}

/** What collecting gives. */
export interface Collected {
  /** In the order of merging. */
  readonly entries: readonly Entry[];
  /** True when no module was a function, so that the arguments do not matter. */
  readonly isStatic: boolean;
}

/** Collect modules and all they import. */
export function collect(modules: readonly ModuleLike[], args: () => object, expected?: string): Collected {
  const found = new Collector(args, expected);
  const all = found.walk(modules, nothing);
  const entries = found.disabled.size > 0 ? found.walk(modules, found.disabled) : all;
  return { entries: entries.reverse(), isStatic: found.isStatic };
}

/** A module that is to be visited. */
interface Visit {
  readonly module: ModuleLike;
  readonly parentKey: string;
  readonly position: number;
  readonly origin: Origin;
  readonly level: number;
}

class Collector {
  private readonly args: () => object;
  private readonly expected: string | undefined;
  /** Modules whose key another one has. */
  private readonly dropped = new Set<ModuleRecord>();
  /** Module functions are called once, although the modules are walked twice. */
  private readonly called = new Map<ModuleLike, ModuleRecord>();
  isStatic = true;
  /** What modules disable; nearly always nothing. */
  readonly disabled = new Set<unknown>();

  constructor(args: () => object, expected: string | undefined) {
    this.args = args;
    this.expected = expected;
  }

  /** Breadth-first. What few modules say is asked for here, so that the others cost no calls. */
  walk(modules: readonly ModuleLike[], disabled: ReadonlySet<unknown>): Entry[] {
    const seen = new Map<unknown, ModuleRecord>();
    const entries: Entry[] = [];
    const queue: Visit[] = [];
    enqueue(queue, modules, "", unknownOrigin, 0);
    for (let i = 0; i < queue.length; i++) {
      const visit = queue[i] as Visit;
      const { module } = visit;
      const record = module instanceof ModuleRecord ? module : this.record(visit);
      const { fields } = record;
      const origin = record.origin ?? visit.origin;
      const key = keyOf(record) ?? `${visit.parentKey}:anon-${visit.position}`;
      if (disabled !== nothing && disabled.has(key)) continue;
      const known = seen.get(key);
      if (known !== undefined) {
        if (known !== record) this.heed(record, origin);
        continue;
      }
      seen.set(key, record);
      if (this.expected !== undefined) this.checkClass(fields, origin);
      entries.push({ fields, origin, level: visit.level });
      if (fields.imports !== undefined) {
        const parentKey = typeof key === "string" ? key : `${visit.parentKey}:anon-${visit.position}`;
        enqueue(queue, importsOf(fields, origin), parentKey, origin, visit.level + 1);
      }
      if (fields.disabledModules !== undefined && disabled === nothing) this.disable(fields, origin);
    }
    return entries;
  }

  private disable(fields: ModuleFields, origin: Origin): void {
    for (const item of disabledIn(fields, origin)) this.disabled.add(item instanceof ModuleRecord ? keyOf(item) : item);
  }

  /** A module that is dropped because there is one with its key: what it and its imports disable counts, nothing else does. */
  private heed(record: ModuleRecord, origin: Origin): void {
    if (this.dropped.has(record)) return;
    this.dropped.add(record);
    const { fields } = record;
    if (this.expected !== undefined) this.checkClass(fields, origin);
    this.disable(fields, origin);
    for (const [i, module] of importsOf(fields, origin).entries()) {
      const visit = { module, parentKey: "", position: i + 1, origin, level: 0 };
      const inner = module instanceof ModuleRecord ? module : this.record(visit);
      this.heed(inner, inner.origin ?? origin);
    }
  }

  private record({ module, origin }: Visit): ModuleRecord {
    if (typeof module !== "function")
      throw notAModule(module, origin === unknownOrigin ? undefined : origin, nestedList(module));
    this.isStatic = false;
    const known = this.called.get(module);
    if (known !== undefined) return known;
    const record: unknown = module(this.args());
    if (!(record instanceof ModuleRecord)) throw notAModule(record, origin);
    this.called.set(module, record);
    return record;
  }

  private checkClass(fields: ModuleFields, origin: Origin): void {
    const own = fields.class;
    const expected = this.expected;
    if (expected !== undefined && own !== undefined && own !== expected) throw moduleClass(origin, own, expected);
  }
}

function enqueue(
  queue: Visit[],
  modules: readonly ModuleLike[],
  parentKey: string,
  origin: Origin,
  level: number,
): void {
  for (let i = 0; i < modules.length; i++)
    queue.push({ module: modules[i] as ModuleLike, parentKey, position: i + 1, origin, level });
}

/** What a module imports. */
export function importsOf(fields: ModuleFields, origin: Origin): readonly ModuleLike[] {
  const { imports = none } = fields;
  if (!isList(imports))
    throw notAModule(imports, origin, `imports has to be a list of modules, not ${kindOf(imports)}`);
  return imports;
}

/** What a module disables: modules and keys. */
export function disabledIn(fields: ModuleFields, origin: Origin): readonly unknown[] {
  const { disabledModules = none } = fields;
  if (!isList(disabledModules))
    throw notAModule(disabledModules, origin, `disabledModules has to be a list, not ${kindOf(disabledModules)}`);
  return disabledModules;
}

const nothing: ReadonlySet<unknown> = new Set();

const none: readonly ModuleLike[] = [];

/** The key that a module brings along. */
export function keyOf(record: ModuleRecord): unknown {
  return record.fields.key ?? (record.isValue ? record : undefined);
}

function nestedList(value: unknown): string | undefined {
  return Array.isArray(value) ? "a list of modules cannot contain lists of modules" : undefined;
}
