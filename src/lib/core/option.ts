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
  /** The option is another name of this one: it has its type and its value. */
  readonly aliasOf?: readonly string[] | undefined;
}

/** One declaration of an option. A class, so that option trees can tell options from groups. */
export class OptionDecl {
  readonly type: Type | undefined;
  readonly hasDefault: boolean;
  readonly default: unknown;
  readonly defaultText: unknown;
  readonly description: string | undefined;
  readonly example: unknown;
  readonly apply: ((value: unknown) => unknown) | undefined;
  readonly internal: boolean | undefined;
  readonly visible: Visibility | undefined;
  readonly readOnly: boolean | undefined;
  readonly aliasOf: readonly string[] | undefined;
  /** Where it was declared; the module's place when absent. */
  readonly origin: Origin | undefined;

  constructor(fields: OptionFields, origin?: Origin) {
    this.type = fields.type;
    this.default = fields.default;
    this.hasDefault = fields.default !== undefined;
    this.defaultText = fields.defaultText;
    this.description = fields.description;
    this.example = fields.example;
    this.apply = fields.apply;
    this.internal = fields.internal;
    this.visible = fields.visible;
    this.readOnly = fields.readOnly;
    this.aliasOf = fields.aliasOf;
    this.origin = origin;
  }
}
