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
import { BrokenSchema, GroupSchema, OptionSchema, type SchemaNode } from "./schema.ts";
import type { Scope } from "./scope.ts";

const noDefs: readonly Def[] = [];

/** Told of a member of a definition: its name, what the schema has for it, and the definition. */
type TellOther = (name: string, schema: SchemaNode | undefined, part: Def) => void;

/**
 * A group of options in a scope. What runs for every option is written with `forEach` and counted loops: a configuration is
 * mostly read by code that has not run before, and there each turn of a `for … of` makes an object.
 */
export class GroupNode {
  readonly scope: Scope;
  readonly schema: GroupSchema;
  readonly loc: Loc | undefined;
  /** What each module says about the group, its wrappers off; there is no list for each option. */
  private parts: readonly Def[];
  /** Which parts mention an option, by its index; only where there are many parts. */
  private mentions: (readonly Def[] | undefined)[] | undefined;
  private groups: Map<string, GroupNode> | undefined;
  /** The options that were asked for, by their index. */
  private nodes: (OptionNode | undefined)[] | undefined;
  private madeObject: object | undefined;
  private madeHandle: object | undefined;
  private madeView: object | undefined;

  constructor(scope: Scope, schema: GroupSchema, loc: Loc | undefined) {
    this.scope = scope;
    this.schema = schema;
    this.loc = loc;
    this.parts = noDefs;
    this.mentions = undefined;
    this.groups = undefined;
    this.nodes = undefined;
    this.madeObject = undefined;
    this.madeHandle = undefined;
    this.madeView = undefined;
  }

  /** The location of a member. */
  locOf(name: string): Loc {
    return new Loc(this.loc, name);
  }

  /** Give the group definitions; each is a plain set. `other` is told of the members that are no options of the group. */
  add(parts: readonly Def[], other?: TellOther): void {
    const before = this.parts;
    this.parts = before.length === 0 ? parts : [...before, ...parts];
    if (this.mentions === undefined && this.parts.length > fewParts) {
      this.mentions = new Array<readonly Def[] | undefined>(this.schema.children.size);
      this.lookThrough(before, undefined);
    }
    this.lookThrough(parts, other);
  }

  private lookThrough(parts: readonly Def[], other: TellOther | undefined): void {
    const { mentions } = this;
    const { children } = this.schema;
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as Def;
      // Most options have one definition, and all those in one part share this list.
      const alone = mentions === undefined ? noDefs : [part];
      const names = Object.keys(part.value as object);
      for (let j = 0; j < names.length; j++) {
        const name = names[j] as string;
        const schema = children.get(name);
        if (!(schema instanceof OptionSchema)) other?.(name, schema, part);
        else if (mentions !== undefined) {
          const known = mentions[schema.index] as Def[] | undefined;
          if (known === undefined) mentions[schema.index] = alone;
          else if (known.length === 1) mentions[schema.index] = [known[0] as Def, part];
          else known.push(part);
        }
      }
    }
  }

  /** The parts to look for an option in; some of them may not mention it. */
  private partsFor(option: OptionSchema): readonly Def[] {
    return this.mentions === undefined ? this.parts : (this.mentions[option.index] ?? noDefs);
  }

  /** The definitions of an option. */
  definitionsOf(option: OptionSchema): readonly Def[] {
    const { name } = option;
    const defs: Def[] = [];
    for (const part of this.partsFor(option)) {
      const group = part.value as object;
      if (Object.hasOwn(group, name)) defs.push(part.member(member(group, name)));
    }
    return defs;
  }

  /** The part that mentions an option, if there is exactly one. */
  onlyPart(option: OptionSchema): Def | undefined {
    if (this.mentions !== undefined) {
      const found = this.mentions[option.index];
      return found === undefined || found.length > 1 ? undefined : found[0];
    }
    const { parts } = this;
    const { name } = option;
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
    const option = this.schema.children.get(name) as OptionSchema;
    return this.partsFor(option).some((part) => Object.hasOwn(part.value as object, name));
  }

  /** A group inside this one. */
  group(name: string): GroupNode {
    this.groups ??= new Map();
    let group = this.groups.get(name);
    if (group === undefined) {
      group = new GroupNode(this.scope, this.schema.children.get(name) as GroupSchema, this.locOf(name));
      this.groups.set(name, group);
    }
    return group;
  }

  /** An option of this group. */
  option(name: string): OptionNode {
    return this.nodeOf(this.schema.children.get(name) as OptionSchema);
  }

  private nodeOf(option: OptionSchema): OptionNode {
    this.nodes ??= new Array<OptionNode | undefined>(this.schema.children.size);
    let node = this.nodes[option.index];
    if (node === undefined) {
      node = new OptionNode(this, option);
      this.nodes[option.index] = node;
    }
    return node;
  }

  /** The values: one member per option or group. */
  object(): object {
    if (this.madeObject !== undefined) return this.madeObject;
    const { scope, schema } = this;
    const object = schema.children.size > manyMembers ? withManyMembers() : {};
    const context = scope.collecting ? undefined : scope.context;
    this.madeObject = object;
    schema.children.forEach((child, name) => {
      if (!(child instanceof OptionSchema)) {
        let inner: object | undefined;
        setGetter(object, name, () => {
          if (child instanceof BrokenSchema) throw child.error(this.locOf(name));
          inner ??= this.group(name).object();
          return inner;
        });
        return;
      }
      if (context !== undefined) {
        const value = OptionNode.eagerValue(child, this.partsFor(child), context);
        if (value !== undefined) {
          setMember(object, name, value);
          return;
        }
      }
      const get = (): unknown => {
        if (scope.collecting) this.tooEarly(name, get);
        return this.nodeOf(child).force();
      };
      setGetter(object, name, get);
    });
    if (scope.isFinal(this)) Object.freeze(object);
    return object;
  }

  /** The object was handed out early: put in what is plain data, and freeze it. @internal */
  finish(): void {
    const object = this.madeObject as object;
    const { context } = this.scope;
    this.schema.children.forEach((child, name) => {
      if (!(child instanceof OptionSchema)) return;
      const value = OptionNode.eagerValue(child, this.partsFor(child), context);
      if (value !== undefined) Object.defineProperty(object, name, { value, enumerable: true, configurable: true });
    });
    Object.freeze(object);
  }

  private fail(schema: BrokenSchema, name: string): never {
    throw schema.error(this.locOf(name));
  }

  private tooEarly(name: string, above: () => unknown): never {
    throw readTooEarly(`config.${showLoc(this.locOf(name))}`, Origin.capture(above));
  }

  /**
   * The object that module functions are given as `config`. With a free-form type its members are not known before the
   * definitions are, so there it is a proxy that completes the object at the first question about an undeclared name.
   */
  handle(): object {
    this.madeHandle ??= this.scope.hasFreeform ? this.completing() : this.object();
    return this.madeHandle;
  }

  private completing(): object {
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
      else if (schema instanceof GroupSchema) this.addFreeformBelow(object, name, read);
    }
  }

  /** What the free-form type makes of a group's unknown definitions; if that fails, the group cannot be read, and no other. */
  private addFreeformBelow(object: object, name: string, read: () => unknown): void {
    let inner: unknown;
    try {
      inner = read();
    } catch (error) {
      setGetter(object, name, () => {
        throw error;
      });
      return;
    }
    if (isGroup(inner)) this.group(name).addFreeform(inner);
  }

  /** The options themselves, as modules see them. */
  view(): object {
    if (this.madeView !== undefined) return this.madeView;
    const view = {};
    this.madeView = view;
    for (const [name, schema] of this.schema.children) {
      if (schema instanceof OptionSchema) setGetter(view, name, () => this.option(name).view());
      else if (schema instanceof GroupSchema) setGetter(view, name, () => this.group(name).view());
      else setGetter(view, name, () => this.fail(schema, name));
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

function copyMember(object: object, from: object, name: string, read: () => unknown): void {
  const descriptor = Object.getOwnPropertyDescriptor(from, name);
  if (descriptor !== undefined && descriptor.get === undefined) {
    Object.defineProperty(object, name, { value: descriptor.value, enumerable: true, configurable: true });
  } else setGetter(object, name, read);
}
