// The public functions.
import type { Active, At, Capture, RuntimeModule, RuntimeOption, RuntimeType } from "./sketch.ts";
import { capture, EachWrapper, Evaluator, LiteralValue, ModuleError, prop, Scope, show, where, Wrapper } from "./sketch.ts";
import type * as T from "./typed/index.ts";

// ---------------------------------------------------------------- definitions
const wrap = <X>(kind: ConstructorParameters<typeof Wrapper>[0], content: unknown, n: number, cond: unknown, pos: Capture): T.Wrapped<X> => new Wrapper(kind, content, n, cond, pos) as unknown as T.Wrapped<X>;

/** A definition set, checked for unknown options; what config functions return. */
export function define<X>(value: T.Later<X>): T.Wrapped<X> { return wrap("define", value, 0, true, capture(define)); }
export function mkIf<X>(cond: () => boolean, value: T.Later<X>): T.Wrapped<X> { return wrap("if", value, 0, cond, capture(mkIf)); }
export function mkMerge<X>(values: readonly T.Later<X>[]): T.Wrapped<X> { return wrap("merge", values, 0, true, capture(mkMerge)); }
export function mkOverride<X>(priority: number, value: T.Later<X>): T.Wrapped<X> { return wrap("override", value, priority, true, capture(mkOverride)); }
export function mkForce<X>(value: T.Later<X>): T.Wrapped<X> { return wrap("override", value, 50, true, capture(mkForce)); }
export function mkVMOverride<X>(value: T.Later<X>): T.Wrapped<X> { return wrap("override", value, 10, true, capture(mkVMOverride)); }
export function mkDefault<X>(value: T.Later<X>): T.Wrapped<X> { return wrap("override", value, 1000, true, capture(mkDefault)); }
export function mkOptionDefault<X>(value: T.Later<X>): T.Wrapped<X> { return wrap("override", value, 1500, true, capture(mkOptionDefault)); }
export function mkOrder<X>(order: number, value: T.Later<X>): T.Wrapped<X> { return wrap("order", value, order, true, capture(mkOrder)); }
export function mkBefore<X>(value: T.Later<X>): T.Wrapped<X> { return wrap("order", value, 500, true, capture(mkBefore)); }
export function mkAfter<X>(value: T.Later<X>): T.Wrapped<X> { return wrap("order", value, 1500, true, capture(mkAfter)); }
/** In an attrsOf position: one definition for every element that other definitions create. */
export function mkEach<W>(value: T.Later<W>): T.Each<W> { return new EachWrapper(value) as unknown as T.Each<W>; }
/** A function used as a value (functions otherwise mean thunks). */
export function literal<V>(v: V): T.Literal<V> { return new LiteralValue(v) as T.Literal<V>; }

// ---------------------------------------------------------------- options
export function mkOption<D extends T.OptionType, A = T.NotApplied>(o: {
  readonly type: D; readonly default?: T.Later<T.Def<T.In<D>>>; readonly description?: string; readonly example?: unknown; readonly defaultText?: string; readonly readOnly?: boolean; readonly internal?: boolean; readonly visible?: boolean | "shallow" | "transparent";
  readonly apply?: (v: T.Val<D>) => A;
}): T.OptionFor<D, T.Later<A>> {
  const r: RuntimeOption = { isOption: true, type: rt(o.type), description: o.description, readOnly: o.readOnly, default: o.default, hasDefault: "default" in o, apply: o.apply as ((v: never) => unknown) | undefined, pos: capture(mkOption) };
  return r as unknown as T.OptionFor<D, T.Later<A>>;
}
export function mkEnableOption(what: string): T.Option<T.Bool> {
  return { isOption: true, type: rt(t.bool), description: `Whether to enable ${what}.`, default: false, hasDefault: true, pos: capture(mkEnableOption) } satisfies RuntimeOption as unknown as T.Option<T.Bool>;
}
export function declareOptions<O extends T.Tree>(o: O): O { return o; }

// ---------------------------------------------------------------- types
const fail = (at: At, d: Active, want: string): never => { throw new ModuleError(`${show(at.path)}: expected ${want}, got ${d.value === null ? "null" : Array.isArray(d.value) ? "a list" : typeof d.value === "object" ? "an attribute set" : JSON.stringify(d.value) ?? typeof d.value}   (defined at ${where(d.raw.pos)})`); };
const equal = (typeName: string, ok: (v: unknown) => boolean): RuntimeType => {
  const self: RuntimeType = { typeName, accepts: ok, merge: (at, defs) => {
    for (const d of defs) if (!ok(d.value)) fail(at, d, typeName);
    const first = defs[0]!.value; for (const d of defs) if (d.value !== first) throw new ModuleError(`${show(at.path)} has conflicting definitions; use mkForce or mkDefault:${defs.map(x => `\n    ${JSON.stringify(x.value)}   at ${where(x.raw.pos)}`).join("")}`);
    return first; }, combine: o => o.typeName === typeName ? self : undefined };
  return self;
};
const joined = (typeName: string, sep: string): RuntimeType => { const self: RuntimeType = { typeName, accepts: v => typeof v === "string", merge: (at, defs) => { for (const d of defs) if (typeof d.value !== "string") fail(at, d, typeName); return defs.map(d => d.value as string).join(sep); }, combine: o => o.typeName === typeName ? self : undefined }; return self; };
const isAttrs = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);
const child = (d: Active, value: unknown) => ({ ...d.raw, value, conds: [], prio: undefined, order: 1000, base: 100 });

const attrsOf = (elem: RuntimeType): RuntimeType => ({ typeName: `attribute set of ${elem.typeName}`, parts: { elem }, accepts: isAttrs, merge: (at, defs) => {
  const by = new Map<string, ReturnType<typeof child>[]>(), each: ReturnType<typeof child>[] = [];
  for (const d of defs) {
    if (d.value instanceof EachWrapper) { each.push(child(d, d.value.each)); continue; }
    if (!isAttrs(d.value)) fail(at, d, `an attribute set`);
    for (const k of Object.keys(d.value as object)) { const c = child(d, prop(d.value as Record<string, unknown>, k)); const l = by.get(k); if (l) l.push(c); else by.set(k, [c]); }
  }
  const out = {};
  for (const [k, rs] of by) if (at.ev.hasActive(rs)) Object.defineProperty(out, k, { enumerable: true, get: at.ev.evalLazy([...rs, ...each], elem, [...at.path, k]) });
  return Object.freeze(out); }, combine: o => { const e = o.parts?.elem && o.typeName.startsWith("attribute set of") ? elem.combine?.(o.parts.elem) : undefined; return e && attrsOf(e); } });
const listOf = (elem: RuntimeType): RuntimeType => ({ typeName: `list of ${elem.typeName}`, parts: { elem }, accepts: Array.isArray, merge: (at, defs) => {
  const out: unknown[] = [];
  for (const d of defs) { if (!Array.isArray(d.value)) fail(at, d, "a list"); for (const x of d.value as unknown[]) { const c = child(d, x); if (at.ev.hasActive([c])) out.push(at.ev.evalLazy([c], elem, [...at.path, String(out.length)])()); } }
  return Object.freeze(out); }, combine: o => { const e = o.parts?.elem && o.typeName.startsWith("list of") ? elem.combine?.(o.parts.elem) : undefined; return e && listOf(e); } });
const nullOr = (elem: RuntimeType): RuntimeType => ({ typeName: `null or ${elem.typeName}`, ...(elem.takesFunctions === undefined ? {} : { takesFunctions: elem.takesFunctions }), parts: { elem }, accepts: v => v === null || (elem.accepts?.(v) ?? true), merge: (at, defs) => defs.every(d => d.value === null) ? null : elem.merge(at, defs.filter(d => d.value !== null)), combine: o => { const e = o.typeName.startsWith("null or") && o.parts?.elem ? elem.combine?.(o.parts.elem) : undefined; return e && nullOr(e); } });
const either = (a: RuntimeType, b: RuntimeType): RuntimeType => ({ typeName: `${a.typeName} or ${b.typeName}`, accepts: v => (a.accepts?.(v) ?? true) || (b.accepts?.(v) ?? true), merge: (at, defs) => defs.every(d => a.accepts?.(d.value) ?? true) ? a.merge(at, defs) : defs.every(d => b.accepts?.(d.value) ?? true) ? b.merge(at, defs) : fail(at, defs[0]!, `${a.typeName} or ${b.typeName}`) });
const sub = (modules: readonly RuntimeModule[], freeform?: RuntimeType): RuntimeType => ({ typeName: "submodule", takesFunctions: true, accepts: isAttrs, parts: { modules, ...(freeform ? { freeform } : {}) }, merge: (at, defs) => {
  for (const d of defs) if (!isAttrs(d.value) && typeof d.value !== "function") fail(at, d, "a submodule (attribute set)");
  return new Scope(at.ev, at.path, modules, freeform, defs.map(d => ({ ...child(d, d.value) })), { name: at.path.at(-1) ?? "" }).values();
}, combine: o => o.parts?.modules ? sub([...modules, ...o.parts.modules], freeform ?? o.parts.freeform) : undefined });
const jsonMerge = (at: At, defs: readonly Active[]): unknown => {
  if (defs.length && defs.every(d => isAttrs(d.value))) return attrsOf(jsonT).merge(at, defs);
  if (defs.length && defs.every(d => Array.isArray(d.value))) return listOf(jsonT).merge(at, defs);
  return equal("JSON value", () => true).merge(at, defs);
};
const jsonT: RuntimeType = { typeName: "JSON value", merge: jsonMerge, combine: o => o.typeName === "JSON value" ? jsonT : undefined };
const moduleOf = (options: object): RuntimeModule => ({ spec: { options }, pos: {} });
const as = <X>(x: RuntimeType): X => x as unknown as X;
/** A free-form submodule whose own modules may still be added. */
export interface FreeformOf<O, F> extends T.Freeform<O, F> { config(f: (args: T.SubArgs<O>) => T.Wrapped<T.Group<O>>): T.Freeform<O, F>; defaults(f: (args: T.SubArgs<O>) => T.Wrapped<T.Group<O>>): FreeformOf<O, F> }
const freeBuilder = <O, F>(mods: readonly RuntimeModule[], rest: RuntimeType): FreeformOf<O, F> => Object.assign(sub(mods, rest), { config: (f: unknown) => sub([...mods, { spec: { config: f }, pos: {} }], rest), defaults: (f: unknown) => freeBuilder([...mods, { spec: { defaults: f }, pos: {} }], rest) }) as unknown as FreeformOf<O, F>;
export interface SubmoduleOf<O> extends T.Submodule<O> { config(f: (args: T.SubArgs<O>) => T.Wrapped<T.Group<O>>): T.Submodule<O>; defaults(f: (args: T.SubArgs<O>) => T.Wrapped<T.Group<O>>): SubmoduleOf<O> }
const subBuilder = <O>(mods: readonly RuntimeModule[]): SubmoduleOf<O> => Object.assign(sub(mods), { config: (f: unknown) => sub([...mods, { spec: { config: f }, pos: {} }]), defaults: (f: unknown) => subBuilder([...mods, { spec: { defaults: f }, pos: {} }]) }) as unknown as SubmoduleOf<O>;


const anyValue = (typeName: string): RuntimeType => ({ typeName, merge: (at, defs) => {
  if (defs.length > 1 && defs.every(d => isAttrs(d.value) && Object.getPrototypeOf(d.value) === Object.prototype)) return attrsOf(anyValue(typeName)).merge(at, defs);
  const v = defs[defs.length - 1]!.value; return v instanceof LiteralValue ? v.literal : v; }, combine: o => o.typeName === typeName ? anyValue(typeName) : undefined });
const str = (name: string, ok: (s: string) => boolean = () => true) => as<T.Str>(equal(name, v => typeof v === "string" && ok(v)));
const int = (name: string, lo: number, hi: number) => as<T.Int>(equal(name, v => Number.isInteger(v) && (v as number) >= lo && (v as number) <= hi));
const rt = (x: T.OptionType): RuntimeType => x as unknown as RuntimeType;
const unwrapFn = (a: RuntimeType, f: (v: unknown) => unknown, b: RuntimeType): RuntimeType => ({ ...b, combine: () => undefined, accepts: v => (a.accepts?.(v) ?? true) || (b.accepts?.(v) ?? true), merge: (at, defs) => b.merge(at, defs.map(d => (a.accepts?.(d.value) ?? false) ? { ...d, value: f(d.value) } : d)) });
export const t = {
  bool: as<T.Bool>(equal("boolean", v => typeof v === "boolean")), boolByOr: as<T.Bool>({ typeName: "boolean", merge: (_, d) => d.some(x => x.value) }),
  str: str("string"), int: as<T.Int>(equal("signed integer", v => Number.isInteger(v))),
  float: as<T.Int>(equal("floating point number", v => typeof v === "number")), number: as<T.Int>(equal("number", v => typeof v === "number")),
  ints: { between: (lo: number, hi: number) => int(`integer between ${lo} and ${hi}`, lo, hi), unsigned: int("unsigned integer, meaning >=0", 0, Infinity), positive: int("positive integer, meaning >0", 1, Infinity),
    u8: int("8 bit unsigned integer", 0, 255), u16: int("16 bit unsigned integer", 0, 65535), u32: int("32 bit unsigned integer", 0, 4294967295), s8: int("8 bit signed integer", -128, 127), s16: int("16 bit signed integer", -32768, 32767), s32: int("32 bit signed integer", -2147483648, 2147483647) },
  numbers: { between: (lo: number, hi: number) => as<T.Int>(equal(`number between ${lo} and ${hi}`, v => typeof v === "number" && v >= lo && v <= hi)), nonnegative: as<T.Int>(equal("number >= 0", v => typeof v === "number" && v >= 0)), positive: as<T.Int>(equal("number > 0", v => typeof v === "number" && v > 0)) },
  port: int("port", 0, 65535), path: as<T.Path>({ typeName: "absolute path", accepts: v => typeof v === "string" || (isAttrs(v) && typeof v["path"] === "string"), merge: (_, d) => String(d[0]!.value) }),
  lines: as<T.Str>(joined("lines", "\n")), commas: as<T.Str>(joined("commas", ",")), envVar: as<T.Str>(joined("envVar", ":")), separatedString: (sep: string) => as<T.Str>(joined("separatedString", sep)),
  nonEmptyStr: str("non-empty string", v => v.trim() !== ""), singleLineStr: str("single-line string", v => !v.includes("\n")), strMatching: (re: string | RegExp) => str(`string matching the pattern ${re}`, v => new RegExp(`^(?:${typeof re === "string" ? re : re.source})$`).test(v)),
  enum: <const E extends readonly (string | number | boolean | null)[]>(e: E): T.Enum<E[number]> => as(equal(`one of ${JSON.stringify(e)}`, v => e.includes(v as string))),
  json: as<T.Json>(jsonT), anything: as<T.Anything>(anyValue("anything")), raw: as<T.Anything>(anyValue("raw value")), unspecified: as<T.Anything>(anyValue("unspecified value")), attrs: as<T.Attrs>(anyValue("attribute set")),
  opaque: <V>(name: string, _check?: (value: unknown) => boolean): T.Opaque<V> => as({ typeName: name, merge: (at: At, defs: readonly Active[]) => { if (defs.length > 1) throw new ModuleError(`${show(at.path)} is defined ${defs.length} times`); const v = defs[0]!.value; return v instanceof LiteralValue ? v.literal : v; } }),
  listOf: <E extends T.OptionType>(e: E): T.ListOf<E> => as(listOf(rt(e))), nonEmptyListOf: <E extends T.OptionType>(e: E): T.ListOf<E> => as(listOf(rt(e))),
  attrsOf: <E extends T.OptionType>(e: E): T.AttrsOf<E> => as(attrsOf(rt(e))), lazyAttrsOf: <E extends T.OptionType>(e: E): T.AttrsOf<E> => as(attrsOf(rt(e))),
  nullOr: <E extends T.OptionType>(e: E): T.NullOr<E> => as(nullOr(rt(e))), either: <A extends T.OptionType, B extends T.OptionType>(a: A, b: B): T.Either<A, B> => as(either(rt(a), rt(b))),
  oneOf: <const E extends readonly [T.OptionType, ...T.OptionType[]]>(e: E): T.Either<E[number], E[number]> => as(e.slice(1).reduce<RuntimeType>((a, b) => either(a, rt(b)), rt(e[0]))),
  uniq: <E extends T.OptionType>(e: E): E => e, unique: <E extends T.OptionType>(_o: { readonly message: string }, e: E): E => e,
  addCheck: <E extends T.OptionType>(e: E, _f: (v: T.Val<E>) => boolean): E => e,
  coercedTo: <F extends T.OptionType, D extends T.OptionType>(from: F, f: (value: T.Val<F>) => T.Val<D> | T.In<D>, to: D): T.CoercedTo<F, D> => as(unwrapFn(rt(from), f as (v: unknown) => unknown, rt(to))),
  functionTo: <E extends T.OptionType, A = unknown>(_e: E): T.FunctionTo<E, A> => as({ typeName: "function", merge: (_: At, d: readonly Active[]) => (d[0]!.value as LiteralValue).literal }),
  attrTag: <O extends { readonly [tag: string]: T.AnyOption }>(_tags: O): T.AttrTag<O> => as(anyValue("tagged union")),
  submodule: <O extends T.Tree>(options: O): SubmoduleOf<O> => subBuilder([moduleOf(options)]),
  freeform: <O extends T.Tree, F extends T.OptionType>(options: O, rest: F): FreeformOf<O, F> => freeBuilder([moduleOf(options)], rt(rest)),
  deferredModule: as<T.DeferredModule>({ typeName: "module", merge: (_: At, defs: readonly Active[]) => defs.flatMap(d => d.value as readonly T.AnyModule[]) }),
};
export const types = t;


// ---------------------------------------------------------------- modules
/** S is the scope: every option this module may read or set. `defineModule<Std & typeof options>({...})`. */
export function defineModule<S = {}>(spec: T.ModuleSpec<T.Later<S>>): T.Module<S> { return { spec, pos: capture(defineModule) } as unknown as T.Module<S>; }
/** The scope of these module values; they are imported automatically. */
export function using<const I extends readonly T.AnyModule[]>(...modules: I): T.Kit<T.ScopeOf<I>> {
  const kit = <S>(own: readonly T.Tree[]): T.Kit<S> => {
    const defineModule = (spec: T.ModuleSpec<S>): T.Module<S> => ({ spec: { ...spec, imports: [...(modules as unknown as readonly RuntimeModule[]), ...own.map(moduleOf), ...(spec.imports ?? [])] }, pos: capture(defineModule) }) as unknown as T.Module<S>;
    return { defineModule, declare: <O extends T.Tree>(o: O) => kit<S & O>([...own, o]) };
  };
  return kit<T.ScopeOf<I>>([]);
}
/** A JSON (or parsed YAML) value as a module; checked at run time. {"$ref"|"$force"|"$default"|"$if"} stand for the wrappers. */
export function dataModule(file: string, data: unknown): T.Module<unknown> {
  const pos: Capture = { file };
  const conv = (v: unknown, config: unknown): unknown => {
    if (Array.isArray(v)) return v.map(x => conv(x, config));
    if (typeof v !== "object" || v === null) return v;
    const o = v as Record<string, unknown>;
    const ref = (p: string) => () => p.split(".").reduce<unknown>((x, k) => { const n = (x as Record<string, unknown>)[k]; if (n === undefined) throw new ModuleError(`${file}: no option ${p}`); return n; }, config);
    if (typeof o["$ref"] === "string") return ref(o["$ref"]);
    if ("$force" in o) return new Wrapper("override", conv(o["$force"], config), 50, true, pos);
    if ("$default" in o) return new Wrapper("override", conv(o["$default"], config), 1000, true, pos);
    if (typeof o["$if"] === "string") return new Wrapper("if", conv(o["then"], config), 0, ref(o["$if"]), pos);
    return Object.fromEntries(Object.entries(o).map(([k, x]) => [k, conv(x, config)]));
  };
  return { spec: { config: ({ config }: { config: unknown }) => new Wrapper("define", conv(data, config), 0, true, pos) }, pos } as unknown as T.Module<unknown>;
}

export function evalModules<const M extends readonly T.AnyModule[]>(o: { readonly modules: M; readonly specialArgs?: T.SpecialArgs }): T.Evaluation<T.ScopeOf<M>> {
  const ev = new Evaluator(o.specialArgs ?? {});
  const extendModules = (more: { readonly modules: readonly T.AnyModule[] }) => evalModules({ ...o, modules: [...o.modules, ...more.modules] as readonly T.AnyModule[] });
  const s = new Scope(ev, [], o.modules as unknown as readonly RuntimeModule[], undefined, [], { extendModules });
  return { config: s.values(), options: (s.args() as { options: object }).options, extendModules, stats: () => ({ thunks: ev.thunkRuns }) } as unknown as T.Evaluation<T.ScopeOf<M>>;
}

export function mapAttrs<A, B>(o: { readonly [k: string]: A }, f: (name: string, v: A) => B): { readonly [k: string]: B } { return Object.fromEntries(Object.keys(o).map(k => [k, f(k, o[k] as A)])); }
/** mapAttrs with new names (NixOS: mapAttrs'). */
export function mapAttrsTo<A, B>(o: { readonly [k: string]: A }, f: (name: string, v: A) => readonly [string, B]): { readonly [k: string]: B } { return Object.fromEntries(Object.keys(o).map(k => f(k, o[k] as A))); }
export function genAttrs<B>(names: readonly string[], f: (name: string) => B): { readonly [k: string]: B } { return Object.fromEntries(names.map(n => [n, f(n)])); }
