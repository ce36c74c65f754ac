/**
 * Groups of options in one scope: the definitions each option has been given, and the objects people read.
 *
 * `config.services.nginx` is an object with one member per option. A member is a getter that forces the option's node,
 * except where the value is plain data that merging could not surprise anyone with: then it is there already.
 */
import { type Def, isGroup, member, setGetter, setMember } from "./definition.ts";
import { Loc, showLoc } from "./loc.ts";
import { OptionNode } from "./node.ts";
import { Origin } from "./origin.ts";
import { readTooEarly } from "./problems.ts";
import { type BrokenSchema, GroupSchema, OptionSchema } from "./schema.ts";
import type { Scope } from "./scope.ts";

const noDefs: readonly Def[] = [];

/**
 * A group of options in a scope. What runs for every option is written with `forEach` and counted loops: a configuration is
 * mostly read by code that has not run before, and there each turn of a `for … of` makes an object.
 */
export class GroupNode {
  readonly scope: Scope;
  readonly schema: GroupSchema;
  readonly loc: Loc | undefined;
  /** What each module says about the group, its wrappers off; there is no list for each option. */
  #parts: readonly Def[] = noDefs;
  /** Which parts mention a name; only where there are many parts. */
  #mentions: Map<string, readonly Def[]> | undefined;
  #groups: Map<string, GroupNode> | undefined;
  #nodes: Map<string, OptionNode> | undefined;
  #object: object | undefined;
  #handle: object | undefined;
  #view: object | undefined;

  constructor(scope: Scope, schema: GroupSchema, loc: Loc | undefined) {
    this.scope = scope;
    this.schema = schema;
    this.loc = loc;
  }

  /** The location of a member. */
  locOf(name: string): Loc {
    return new Loc(this.loc, name);
  }

  /** Give the group definitions; each is a plain set. */
  add(parts: readonly Def[]): void {
    this.#parts = this.#parts.length === 0 ? parts : [...this.#parts, ...parts];
    this.#mentions = this.#parts.length <= fewParts ? undefined : mentions(this.#parts, this.schema);
  }

  /** The parts to look for a name in; some of them may not mention it. */
  #partsFor(name: string): readonly Def[] {
    return this.#mentions === undefined ? this.#parts : (this.#mentions.get(name) ?? noDefs);
  }

  /** The definitions of an option. */
  definitionsOf(name: string): readonly Def[] {
    const defs: Def[] = [];
    for (const part of this.#partsFor(name)) {
      const group = part.value as object;
      if (Object.hasOwn(group, name)) defs.push(part.member(member(group, name)));
    }
    return defs;
  }

  /** The part that mentions a name, if there is exactly one. */
  onlyPart(name: string): Def | undefined {
    const parts = this.#partsFor(name);
    let only: Def | undefined;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as Def;
      if (!Object.hasOwn(part.value as object, name)) continue;
      if (only !== undefined) return undefined;
      only = part;
    }
    return only;
  }

  /** Whether a module defines an option at all. */
  hasDefinition(name: string): boolean {
    return this.#partsFor(name).some((part) => Object.hasOwn(part.value as object, name));
  }

  /** A group inside this one. */
  group(name: string): GroupNode {
    this.#groups ??= new Map();
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new GroupNode(this.scope, this.schema.children.get(name) as GroupSchema, this.locOf(name));
      this.#groups.set(name, group);
    }
    return group;
  }

  /** An option of this group. */
  option(name: string): OptionNode {
    this.#nodes ??= new Map();
    let node = this.#nodes.get(name);
    if (node === undefined) {
      const schema = this.schema.children.get(name) as OptionSchema;
      node = new OptionNode(this, schema);
      this.#nodes.set(name, node);
    }
    return node;
  }

  /** The values: one member per option or group. */
  object(): object {
    if (this.#object !== undefined) return this.#object;
    const object = this.schema.children.size > manyMembers ? withManyMembers() : {};
    this.#object = object;
    this.schema.children.forEach((schema, name) => {
      if (schema instanceof OptionSchema) this.#defineOption(object, name, schema);
      else if (schema instanceof GroupSchema) setGetter(object, name, () => this.group(name).object());
      else setGetter(object, name, () => this.#fail(schema, name));
    });
    if (this.scope.isFinal(this)) Object.freeze(object);
    return object;
  }

  #defineOption(object: object, name: string, schema: OptionSchema): void {
    if (!this.scope.collecting) {
      const value = OptionNode.eagerValue(schema, this.#partsFor(name), this.scope.context);
      if (value !== undefined) {
        setMember(object, name, value);
        return;
      }
    }
    const get = (): unknown => {
      if (this.scope.collecting) this.#tooEarly(name, get);
      return this.option(name).force();
    };
    setGetter(object, name, get);
  }

  /** The object was handed out early: put in what is plain data, and freeze it. @internal */
  finish(): void {
    const object = this.#object as object;
    for (const [name, schema] of this.schema.children) {
      if (!(schema instanceof OptionSchema)) continue;
      const value = OptionNode.eagerValue(schema, this.#partsFor(name), this.scope.context);
      if (value !== undefined) Object.defineProperty(object, name, { value, enumerable: true, configurable: true });
    }
    Object.freeze(object);
  }

  #fail(schema: BrokenSchema, name: string): never {
    throw schema.error(this.locOf(name));
  }

  #tooEarly(name: string, above: () => unknown): never {
    throw readTooEarly(`config.${showLoc(this.locOf(name))}`, Origin.capture(above));
  }

  /**
   * The object that module functions are given as `config`. With a free-form type its members are not known before the
   * definitions are, so there it is a proxy that completes the object at the first question about an undeclared name.
   */
  handle(): object {
    this.#handle ??= this.scope.hasFreeform ? this.#completing() : this.object();
    return this.#handle;
  }

  #completing(): object {
    const complete = (): void => this.scope.ensureComplete();
    return new Proxy(this.object(), {
      get: (target, name, receiver) => {
        const schema = typeof name === "string" ? this.schema.children.get(name) : undefined;
        if (schema instanceof GroupSchema) return this.group(name as string).handle();
        if (schema === undefined) complete();
        return Reflect.get(target, name, receiver) as unknown;
      },
      has: (target, name) => {
        complete();
        return Reflect.has(target, name);
      },
      ownKeys: (target) => {
        complete();
        return Reflect.ownKeys(target);
      },
      getOwnPropertyDescriptor: (target, name) => {
        complete();
        return Reflect.getOwnPropertyDescriptor(target, name);
      },
      set: () => false,
      defineProperty: () => false,
      deleteProperty: () => false,
    });
  }

  /** Add the members that the free-form type made; what is declared stays. */
  addFreeform(free: object): void {
    const object = this.object();
    for (const name of Object.keys(free)) {
      const schema = this.schema.children.get(name);
      const read = (): unknown => (free as Record<string, unknown>)[name];
      if (schema === undefined) copyMember(object, free, name, read);
      else if (schema instanceof GroupSchema) {
        const inner = read();
        if (isGroup(inner)) this.group(name).addFreeform(inner);
      }
    }
  }

  /** The options themselves, as modules see them. */
  view(): object {
    if (this.#view !== undefined) return this.#view;
    const view = {};
    this.#view = view;
    for (const [name, schema] of this.schema.children) {
      if (schema instanceof OptionSchema) setGetter(view, name, () => this.option(name).view());
      else if (schema instanceof GroupSchema) setGetter(view, name, () => this.group(name).view());
      else setGetter(view, name, () => this.#fail(schema, name));
    }
    return Object.freeze(view);
  }
}

const manyMembers = 16;

/**
 * An object that is a hash table from the start. Every getter added to an ordinary object makes a hidden class of its
 * own, which took most of the time for groups of hundreds of options; the objects of small groups share theirs.
 */
function withManyMembers(): object {
  const object: { made?: true; table?: true } = { made: true, table: true };
  delete object.made;
  delete object.table;
  return object;
}

/** Up to so many parts are looked through for each name; keeping a list for each would take longer. */
const fewParts = 4;

/** For each option the parts that mention it. */
function mentions(parts: readonly Def[], { children }: GroupSchema): Map<string, readonly Def[]> {
  const found = new Map<string, Def[]>();
  for (const part of parts) {
    // Most options have one definition, and all those in one part share this list.
    const alone = [part];
    const names = Object.keys(part.value as object);
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      if (children.get(name) instanceof GroupSchema) continue;
      const known = found.get(name);
      if (known === undefined) found.set(name, alone);
      else if (known.length === 1) found.set(name, [known[0] as Def, part]);
      else known.push(part);
    }
  }
  return found;
}

function copyMember(object: object, from: object, name: string, read: () => unknown): void {
  const descriptor = Object.getOwnPropertyDescriptor(from, name);
  if (descriptor !== undefined && descriptor.get === undefined) {
    Object.defineProperty(object, name, { value: descriptor.value, enumerable: true, configurable: true });
  } else setGetter(object, name, read);
}
