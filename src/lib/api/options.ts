/**
 * Declaring options.
 */
import { OptionDecl, type Visibility } from "../core/option.ts";
import { Origin } from "../core/origin.ts";
import type { Type } from "../core/type.ts";
import type {
  Bool,
  Def,
  In,
  Later,
  NotApplied,
  Option,
  OptionFor,
  OptionType,
  Tree,
  Val,
} from "../typed/descriptors.ts";
import { bool } from "../types/scalar.ts";
import { checkOption, checkTree } from "./declarations.ts";

/** What `mkOption` takes. */
export interface OptionSpec<D extends OptionType, A> {
  readonly type: D;
  /** The value when nothing defines the option. One that depends on other options goes into the module's `defaults`. */
  readonly default?: Later<Def<In<D>>>;
  /** What documentation shows instead of the default, for one that is long or not the same everywhere. */
  readonly defaultText?: string;
  /** Prose, Markdown. */
  readonly description?: string;
  readonly example?: unknown;
  /** Changes the merged value before anyone reads it. */
  readonly apply?: (value: Val<D>) => A;
  /** Allow one definition only. */
  readonly readOnly?: boolean;
  /** Leave it out of documentation for users. */
  readonly internal?: boolean;
  readonly visible?: Visibility;
}

/**
 * Declare an option. A default that does not fit the type is a problem at once.
 *
 * @example
 * import { declareOptions, mkOption, t } from "osmod/lib";
 *
 * export const options = declareOptions({
 *   ports: mkOption({ type: t.listOf(t.port), default: [22], description: "Ports to listen on." }),
 * });
 */
export function mkOption<D extends OptionType, A = NotApplied>(spec: OptionSpec<D, A>): OptionFor<D, Later<A>> {
  const { type, apply, ...rest } = spec;
  const fields = { ...rest, type: type as unknown as Type, apply: apply as ((value: unknown) => unknown) | undefined };
  return checkOption(new OptionDecl(fields, Origin.capture(mkOption))) as unknown as OptionFor<D, Later<A>>;
}

/** Declare an option that switches something on; off by default. */
export function mkEnableOption(what: string): Option<Bool> {
  const fields = { type: bool, default: false, example: true, description: `Whether to enable ${what}.` };
  return new OptionDecl(fields, Origin.capture(mkEnableOption)) as unknown as Option<Bool>;
}

/** Declare options as a constant, whose type other modules can name. */
export function declareOptions<O extends Tree>(options: O): O {
  checkTree(options, declareOptions);
  return options;
}
