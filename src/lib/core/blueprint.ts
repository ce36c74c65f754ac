/**
 * Blueprints: modules, collected and with their declarations merged, before anything is defined from outside.
 *
 * None of that depends on the evaluation unless a module is a function, so it is done once and serves every scope made of
 * the same modules: all elements of an `attrsOf(submodule)`, for one.
 */
import { declarationShape } from "./declaration-problems.ts";
import { collect, type Entry, type ModuleLike } from "./module.ts";
import { type Declared, GroupSchema, isTree } from "./schema.ts";

/** Collected modules with their schema. */
export interface Prepared {
  readonly schema: GroupSchema;
  /** All modules, in the order of merging. */
  readonly entries: readonly Entry[];
  /** How many of the speaking modules come before what is defined from outside. */
  readonly inner: number;
  /** The modules that say something besides declaring options. */
  readonly speaking: readonly Entry[];
  readonly hasFreeform: boolean;
}

/** A list of modules to make scopes of. */
export class Blueprint {
  readonly modules: readonly ModuleLike[];
  readonly expectedClass: string | undefined;
  private ready: Prepared | undefined;

  constructor(modules: readonly ModuleLike[], expectedClass?: string) {
    this.modules = modules;
    this.expectedClass = expectedClass;
    this.ready = undefined;
  }

  /** The collected modules and their schema; `args` are asked for only if a module is a function. */
  prepare(args: () => object): Prepared {
    if (this.ready !== undefined) return this.ready;
    const { entries, isStatic } = collect(this.modules, args, this.expectedClass);
    const declared: Declared[] = [];
    const speaking: Entry[] = [];
    let inner = 0;
    let hasFreeform = false;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Entry;
      const { fields, origin, level } = entry;
      const { options, freeformType } = fields;
      if (options !== undefined) {
        if (!isTree(options)) throw declarationShape(undefined, origin, options);
        declared.push({ tree: options, origin });
      }
      if (freeformType !== undefined) hasFreeform = true;
      if (fields.config === undefined && fields.defaults === undefined && freeformType === undefined) continue;
      speaking.push(entry);
      // Definitions from outside count as modules beside the given ones, which the reversed list has last.
      if (level > 0) inner++;
    }
    const prepared: Prepared = { schema: new GroupSchema(declared), entries, speaking, inner, hasFreeform };
    if (isStatic) this.ready = prepared;
    return prepared;
  }
}
