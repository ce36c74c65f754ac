/**
 * Declaring options.
 */

import { expecting, inCall } from "../core/calls.ts";
import { optionField, optionSink, packageUnknown } from "../core/declaration-problems.ts";
import { DocText } from "../core/doc-text.ts";
import { showPath } from "../core/loc.ts";
import { OptionDecl, type Visibility } from "../core/option.ts";
import { Origin } from "../core/origin.ts";
import { nearest } from "../core/suggest.ts";
import { makeType, type Type } from "../core/type.ts";
import type {
  AppliedOption,
  Bool,
  Def,
  In,
  NotApplied,
  NullOr,
  Opaque,
  Option,
  OptionType,
  Scalar,
  Tree,
  Val,
} from "../typed/descriptors.ts";
import { nullOr } from "../types/choices.ts";
import { bool, opaque } from "../types/scalar.ts";
import { checkOption, checkTree } from "./declarations.ts";

/** What `mkOption` takes. */
export interface OptionSpec<D extends OptionType, A, S = string> extends OptionFields<D, A> {
  /** Prose, Markdown. Editors show a literal one wherever the option is defined. */
  readonly description?: S;
}
/**
 * All but the description, which is another one for every option: these the compiler works out once for every type. That
 * takes an alias, because an interface that extends another one makes its members anew for itself.
 */
type OptionFields<D extends OptionType, A> = {
  readonly type: D;
  /** The value when nothing defines the option. One that depends on other options goes into the module's `defaults`. */
  readonly default?: Def<In<D>>;
  /** What documentation shows instead of the default, for one that is long or not the same everywhere. */
  readonly defaultText?: string | DocText;
  /** A value as an example, or `literalExpression` and `literalMD` for words in its place. */
  readonly example?: unknown;
  /** Changes the merged value before anyone reads it. */
  readonly apply?: (value: Val<D>) => A;
  /** Allow one definition only. */
  readonly readOnly?: boolean;
  /** Leave it out of documentation for users. */
  readonly internal?: boolean;
  /**
   * Whether documentation has it: `false` hides it and all options inside its value, `"shallow"` those inside only,
   * `"transparent"` the option only.
   */
  readonly visible?: Visibility;
  /** Names of packages that have to do with it, or Markdown about them; for documentation. */
  readonly relatedPackages?: readonly string[] | string;
};

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
export function mkOption<D extends OptionType, A = NotApplied, const S extends string = never>(
  spec: OptionSpec<D, A, S>,
): [A] extends [NotApplied] ? Option<D, S> : AppliedOption<D, A, S> {
  const origin = Origin.capture(mkOption);
  return inCall("mkOption", () => declared(spec as OptionSpec<OptionType, unknown>, origin)) as never;
}

function declared(spec: OptionSpec<OptionType, unknown>, origin: Origin): unknown {
  expecting(isObject(spec), "mkOption", "what describes the option, { type: … }", spec);
  const { type, apply, ...rest } = spec;
  for (const name of Object.keys(rest))
    if (!optionFields.includes(name)) throw optionField(origin, name, nearest(name, optionFields));
  const isFunction = apply === undefined || typeof apply === "function";
  expecting(isFunction, "apply of mkOption", "a function", apply);
  const { description } = rest;
  const isText = description === undefined || typeof description === "string";
  expecting(isText, "description of mkOption", "text", description);
  const fields = { ...rest, type: type as unknown as Type, apply: apply as ((value: unknown) => unknown) | undefined };
  return checkOption(new OptionDecl(fields, origin));
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

const optionFields: readonly string[] = [
  "type",
  "default",
  "defaultText",
  "description",
  "example",
  "apply",
  "readOnly",
  "internal",
  "visible",
  "relatedPackages",
] satisfies readonly (keyof OptionSpec<OptionType, unknown>)[];

/**
 * Declare an option that switches something on; off by default.
 *
 * @example
 * import { mkEnableOption } from "osmod/lib";
 *
 * export const options = { web: { enable: mkEnableOption("the web server") } };
 */
export function mkEnableOption<const W extends string>(what: W): Option<Bool, `Whether to enable ${W}.`> {
  expecting(typeof what === "string", "mkEnableOption", "the name of what is switched on", what);
  const fields = { type: bool, default: false, example: true, description: `Whether to enable ${what}.` };
  return new OptionDecl(fields, Origin.capture(mkEnableOption)) as unknown as Option<Bool, `Whether to enable ${W}.`>;
}

/** What `mkPackageOption` takes besides the package set and a name. */
export interface PackageOptionSpec {
  /** Whether there may be none: the type is then `nullOr`. */
  readonly nullable?: boolean;
  /** The path of the default in the package set, if it is not the name; `null` for no default. */
  readonly default?: string | readonly string[] | null;
  /** A package as an example, by its path. */
  readonly example?: string | readonly string[];
  readonly extraDescription?: string;
  /** What the package set is called where users write packages: `pkgs`. */
  readonly pkgsText?: string;
}

/**
 * Declare an option for a package of a set: what is wanted is taken out of the set when the option is read. Its type
 * takes whatever has a `path`. Problem: `package-unknown` if there is no such package. NixOS: `lib.mkPackageOption`.
 *
 * It is for whoever has the package set when declaring. A module that is given `pkgs` as an argument declares the
 * option without a default, and says it in its `defaults`.
 *
 * @example
 * import { declareOptions, defineModule, evalModules, mkPackageOption } from "osmod/lib";
 *
 * const pkgs = { nginx: { path: "/nix/store/x-nginx" } };
 * const options = declareOptions({ package: mkPackageOption(pkgs, "nginx") });
 *
 * evalModules({ modules: [defineModule<typeof options>({ options })] }).config.package.path; // "/nix/store/x-nginx"
 */
export function mkPackageOption<P extends { readonly path: string }, const D extends PackageOptionSpec>(
  pkgs: { readonly [name: string]: P | undefined },
  name: string | readonly string[],
  spec?: D,
): Option<D extends { readonly nullable: true } ? NullOr<Opaque<P>> : Opaque<P>> {
  const { nullable = false, example, extraDescription = "", pkgsText = "pkgs" }: PackageOptionSpec = spec ?? {};
  const isName = typeof name === "string" || Array.isArray(name);
  expecting(isName, "mkPackageOption", "the name of a package", name);
  const named = toList(name);
  const wanted = spec?.default === undefined ? named : spec.default === null ? undefined : toList(spec.default);
  const origin = Origin.capture(mkPackageOption);
  const textOf = (path: readonly string[]): DocText => new DocText("expression", [pkgsText, showPath(path)].join("."));
  const fallback =
    wanted === undefined
      ? nullable
        ? { default: null }
        : {}
      : { default: () => packageAt(pkgs, wanted, pkgsText, origin), defaultText: textOf(wanted) };
  const fields = {
    type: nullable ? nullOr(packageType) : packageType,
    description: `The ${named.at(-1)} package to use.${extraDescription === "" ? "" : ` ${extraDescription}`}`,
    ...fallback,
    ...(example === undefined ? {} : { example: textOf(toList(example)) }),
  };
  return new OptionDecl(fields, origin) as never;
}

const packageType = opaque(
  "package",
  (value) => typeof value === "object" && value !== null && typeof (value as { path?: unknown }).path === "string",
);

function toList(path: string | readonly string[]): readonly string[] {
  return typeof path === "string" ? [path] : path;
}

function packageAt(pkgs: object, path: readonly string[], pkgsText: string, origin: Origin): unknown {
  const found = path.reduce<unknown>((set, name) => (set as Record<string, unknown> | undefined)?.[name], pkgs);
  if (found === undefined) throw packageUnknown(path, pkgsText, origin);
  return found;
}

/**
 * Declare an option, or a whole group if it is given one's name, that takes whatever is defined for it and cannot be
 * read: for definitions of modules that are not there. Problem: `option-sink` for whoever reads it. NixOS:
 * `lib.mkSinkUndeclaredOptions`.
 *
 * @example
 * import { declareOptions, defineModule, mkSinkUndeclaredOptions } from "osmod/lib";
 *
 * const options = declareOptions({ boot: mkSinkUndeclaredOptions() });
 *
 * export const container = defineModule<typeof options>({ options, config: { boot: { loader: "none" } } });
 */
export function mkSinkUndeclaredOptions(
  spec: { readonly description?: string; readonly visible?: Visibility } = {},
): Option<Scalar<never, unknown>> {
  const origin = Origin.capture(mkSinkUndeclaredOptions);
  const fields = {
    type: sink,
    default: false,
    internal: true,
    visible: false,
    description: "Sink for option definitions.",
    refuse: () => optionSink(origin),
    ...spec,
  };
  return new OptionDecl(fields, origin) as unknown as Option<Scalar<never, unknown>>;
}

/** Takes anything, wrappers included, and looks at none of it. */
const sink: Type = makeType({ name: "sink", check: () => true, merge: () => false });

/**
 * Declare options as a constant, whose type other modules can name.
 *
 * @example
 * import { declareOptions, mkOption, t } from "osmod/lib";
 *
 * export const options = declareOptions({ web: { port: mkOption({ type: t.port, default: 80 }) } });
 * export type Options = typeof options;
 */
export function declareOptions<O extends Tree>(options: O): O {
  inCall("declareOptions", () => checkTree(options));
  return options;
}
