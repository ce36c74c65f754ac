/**
 * The tree of imports, as it was written: a module that is imported twice is there twice, and one that was disabled is
 * there too and says so.
 *
 *     [A (imports A1, B), B]   →   A → [A1, B], B → []
 */
import { disabledIn, importsOf, keyOf, type ModuleLike, ModuleRecord } from "./module.ts";
import { type Origin, unknownOrigin } from "./origin.ts";
import { notAModule } from "./problems.ts";

/** A module, and what it imports. */
export interface ModuleGraph {
  /** The module's own key, or `parent:anon-2` for the second import of its parent. */
  readonly key: string;
  /** The file it was written in. */
  readonly file: string;
  /** Whether any module disables it; its imports then do not count, unless they are imported elsewhere. */
  readonly disabled: boolean;
  readonly imports: readonly ModuleGraph[];
}

/** A module in the tree, before it is known what is disabled. */
interface Branch {
  readonly identity: unknown;
  readonly key: string;
  readonly file: string;
  readonly imports: readonly Branch[];
}

/** The tree of imports; `args` are asked for only if a module is a function. */
export function graphOf(modules: readonly ModuleLike[], args: () => object): readonly ModuleGraph[] {
  const called = new Map<ModuleLike, ModuleRecord>();
  const disabled = new Set<unknown>();
  const recordOf = (module: ModuleLike, origin: Origin): ModuleRecord => {
    if (module instanceof ModuleRecord) return module;
    const record = called.get(module) ?? (typeof module === "function" ? module(args()) : module);
    if (!(record instanceof ModuleRecord)) throw notAModule(record, origin);
    called.set(module, record);
    return record;
  };
  const grow = (module: ModuleLike, parent: string, at: number, from: Origin, above: readonly unknown[]): Branch => {
    const record = recordOf(module, from);
    const origin = record.origin ?? from;
    const own = keyOf(record);
    const key = typeof own === "string" ? own : `${parent}:anon-${at}`;
    const identity = own ?? key;
    for (const item of disabledIn(record.fields, origin))
      disabled.add(item instanceof ModuleRecord ? keyOf(item) : item);
    // Modules that import each other are one circle; the tree ends where it would begin again.
    const inside = above.includes(identity) ? [] : importsOf(record.fields, origin);
    const imports = inside.map((inner, i) => grow(inner, key, i + 1, origin, [...above, identity]));
    return { identity, key, file: origin.file, imports };
  };
  const marked = ({ identity, key, file, imports }: Branch): ModuleGraph => ({
    key,
    file,
    disabled: disabled.has(identity),
    imports: imports.map(marked),
  });
  return modules.map((module, i) => grow(module, "", i + 1, unknownOrigin, [])).map(marked);
}
