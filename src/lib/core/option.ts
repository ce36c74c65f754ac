/**
 * Option declarations as the evaluator sees them, and how several of one option become one.
 */
import type { Origin } from "./origin.ts";
import type { Type } from "./type.ts";

/** How an option appears in documentation: not at all, without what is below it, or only with what is below it. */
export type Visibility = boolean | "shallow" | "transparent";

/** What `mkOption` was given. */
export interface OptionFields {
  readonly type?: Type | undefined;
  /** Absent when there is no default; `undefined` is not a default. */
  readonly default?: unknown;
  readonly defaultText?: unknown;
  readonly description?: string | undefined;
  readonly example?: unknown;
  readonly apply?: ((value: unknown) => unknown) | undefined;
  readonly internal?: boolean | undefined;
  readonly visible?: Visibility | undefined;
  readonly readOnly?: boolean | undefined;
  readonly relatedPackages?: readonly string[] | string | undefined;
  /** The option is another name of this one: it has its type (`type` is for when that is no option) and its value. */
  readonly aliasOf?: readonly string[] | undefined;
  /** The option cannot be read: what is thrown, whatever its definitions are. */
  readonly refuse?: (() => Error) | undefined;
}

/** One declaration of an option. A class, so that option trees can tell options from groups. */
export class OptionDecl {
  readonly fields: OptionFields;
  /** Where it was declared; the module's place when absent. */
  readonly origin: Origin | undefined;
  readonly type: Type | undefined;
  readonly hasDefault: boolean;
  /** True when the value is what the type makes of the definitions, and nothing else has a say. */
  readonly isPlain: boolean;

  constructor(fields: OptionFields, origin?: Origin) {
    this.fields = fields;
    this.origin = origin;
    this.type = fields.type;
    this.hasDefault = fields.default !== undefined;
    this.isPlain =
      fields.apply === undefined &&
      fields.readOnly !== true &&
      fields.aliasOf === undefined &&
      fields.refuse === undefined;
  }

  get defaultText(): unknown {
    return this.fields.defaultText;
  }
  get description(): string | undefined {
    return this.fields.description;
  }
  get example(): unknown {
    return this.fields.example;
  }
  get apply(): ((value: unknown) => unknown) | undefined {
    return this.fields.apply;
  }
  get internal(): boolean | undefined {
    return this.fields.internal;
  }
  get visible(): Visibility | undefined {
    return this.fields.visible;
  }
  get readOnly(): boolean | undefined {
    return this.fields.readOnly;
  }
  get relatedPackages(): readonly string[] | string | undefined {
    return this.fields.relatedPackages;
  }
  get aliasOf(): readonly string[] | undefined {
    return this.fields.aliasOf;
  }
  get refuse(): (() => Error) | undefined {
    return this.fields.refuse;
  }
}

/** What of several declarations of one option there may be once, and is there more often. */
export function givenTwice(decls: readonly OptionDecl[]): string | undefined {
  for (const field of ["default", "example", "description", "apply"] as const) {
    const count = decls.filter((decl) => (field === "default" ? decl.hasDefault : decl[field] !== undefined)).length;
    if (count > 1)
      return `${count} declarations give it ${field === "apply" || field === "example" ? "an" : "a"} ${field}`;
  }
  return undefined;
}
