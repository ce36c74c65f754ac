/**
 * Groups of options in one scope: the definitions each option has been given, and the objects people read.
 *
 * `config.services.nginx` is an object with one member per option. A member is a getter that forces the option's node,
 * except where the value is plain data that merging could not surprise anyone with: then it is there already.
 */
import { type Def, isGroup, setMember } from "./definition.ts";
import { Loc, showLoc } from "./loc.ts";
import { OptionNode } from "./node.ts";
import { Origin } from "./origin.ts";
import { readTooEarly } from "./problems.ts";
import { type BrokenSchema, GroupSchema, OptionSchema } from "./schema.ts";
import type { Scope } from "./scope.ts";

const noDefs: readonly Def[] = [];

/** A group of options in a scope. */
export class GroupNode {
  readonly scope: Scope;
  readonly schema: GroupSchema;
  readonly loc: Loc | undefined;
  #defs: Map<string, Def[]> | undefined;
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

  /** Give an option a definition. */
  add(name: string, def: Def): void {
    this.#defs ??= new Map();
    const known = this.#defs.get(name);
    // Growing an array by `push` reserves seventeen places, and nearly all options have one to three definitions.
    if (known === undefined) this.#defs.set(name, [def]);
    else if (known.length < 8) this.#defs.set(name, [...known, def]);
    else known.push(def);
  }

  /** Whether a module defines an option at all. */
  hasDefinition(name: string): boolean {
    return this.#defs?.has(name) ?? false;
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
      node = new OptionNode(this.scope, schema, this.locOf(name), () => this.#defs?.get(name) ?? noDefs);
      this.#nodes.set(name, node);
    }
    return node;
  }

  /** The values: one member per option or group. */
  object(): object {
    if (this.#object !== undefined) return this.#object;
    const object = {};
    this.#object = object;
    for (const [name, schema] of this.schema.children) {
      if (schema instanceof OptionSchema) this.#defineOption(object, name, schema);
      else if (schema instanceof GroupSchema) define(object, name, () => this.group(name).object());
      else define(object, name, () => this.#fail(schema, name));
    }
    if (this.scope.isFinal(this)) Object.freeze(object);
    return object;
  }

  #defineOption(object: object, name: string, schema: OptionSchema): void {
    if (!this.scope.collecting) {
      const value = OptionNode.eagerValue(schema, this.#defs?.get(name), this.scope.context);
      if (value !== undefined) {
        setMember(object, name, value);
        return;
      }
    }
    let node: OptionNode | undefined;
    const get = (): unknown => {
      if (node === undefined) {
        if (this.scope.collecting) this.#tooEarly(name, get);
        node = this.option(name);
      }
      return node.force();
    };
    define(object, name, get);
  }

  /** The object was handed out early: put in what is plain data, and freeze it. @internal */
  finish(): void {
    const object = this.#object as object;
    for (const [name, schema] of this.schema.children) {
      if (!(schema instanceof OptionSchema)) continue;
      const value = OptionNode.eagerValue(schema, this.#defs?.get(name), this.scope.context);
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
      if (schema instanceof OptionSchema) define(view, name, () => this.option(name).view());
      else if (schema instanceof GroupSchema) define(view, name, () => this.group(name).view());
      else define(view, name, () => this.#fail(schema, name));
    }
    return Object.freeze(view);
  }
}

function define(object: object, name: string, get: () => unknown): void {
  Object.defineProperty(object, name, { enumerable: true, configurable: true, get });
}

function copyMember(object: object, from: object, name: string, read: () => unknown): void {
  const descriptor = Object.getOwnPropertyDescriptor(from, name);
  if (descriptor !== undefined && descriptor.get === undefined) {
    Object.defineProperty(object, name, { value: descriptor.value, enumerable: true, configurable: true });
  } else define(object, name, read);
}
