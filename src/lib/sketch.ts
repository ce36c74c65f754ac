// The lazy evaluator. Untyped on purpose (unknown everywhere): all user-facing types live in types.ts.
export interface RuntimeType {
  readonly typeName: string;
  /** Combine the active (highest-priority, condition-true) definitions; may stay lazy inside. */
  readonly merge: (at: At, defs: readonly Active[]) => unknown;
  /** Functions in this position are submodule functions, not thunks. */
  readonly takesFunctions?: boolean;
  readonly accepts?: (v: unknown) => boolean;
  /** The same option declared by two modules: the combined type, or undefined when they cannot be combined. */
  readonly combine?: (other: RuntimeType) => RuntimeType | undefined;
  readonly parts?: { readonly elem?: RuntimeType; readonly tree?: object; readonly modules?: readonly RuntimeModule[]; readonly freeform?: RuntimeType };
}
export interface RuntimeOption {
  readonly isOption: true; readonly type: RuntimeType; readonly description?: string | undefined; readonly readOnly?: boolean | undefined;
  readonly default?: unknown; readonly hasDefault: boolean; readonly apply?: ((v: never) => unknown) | undefined; readonly pos: Capture;
}
export interface RuntimeModule { readonly spec: Spec; readonly pos: Capture }
interface Spec { readonly key?: string; readonly imports?: readonly RuntimeModule[]; readonly options?: object; readonly defaults?: unknown; readonly config?: unknown }

// ------------------------------------------------------------------------------------------------ provenance
export interface Capture { stack?: string; file?: string }
/** Cheap: V8 keeps the structured frames and formats the string only when .stack is first read. */
export function capture(above: (...a: never[]) => unknown, frames = 1): Capture {
  const c: Capture = {}; const old = Error.stackTraceLimit; Error.stackTraceLimit = frames;
  Error.captureStackTrace(c, above); Error.stackTraceLimit = old; return c;
}
export function where(c: Capture): string {
  if (c.file !== undefined) return c.file;
  const m = /\(?((?:file:\/\/)?\/[^\s()]+:\d+):\d+\)?/.exec(c.stack ?? ""); if (!m) return "<unknown>";
  return m[1]!.replace("file://", "").replace(process.cwd() + "/", "");
}

// ------------------------------------------------------------------------------------------------ wrappers
export type Kind = "define" | "if" | "merge" | "override" | "order";
export class Wrapper { readonly kind: Kind; readonly content: unknown; readonly n: number; readonly cond: unknown; readonly pos: Capture; constructor(kind: Kind, content: unknown, n: number, cond: unknown, pos: Capture) { this.kind = kind; this.content = content; this.n = n; this.cond = cond; this.pos = pos; } }
export class EachWrapper { readonly each: unknown; constructor(each: unknown) { this.each = each; } }
export class LiteralValue { readonly literal: unknown; constructor(literal: unknown) { this.literal = literal; } }

interface Raw { readonly value: unknown; readonly pos: Capture; readonly prio: number | undefined; readonly order: number; readonly conds: readonly Wrapper[]; readonly base: number }
export interface Active { readonly value: unknown; readonly raw: Raw }
export interface At { readonly ev: Evaluator; readonly path: readonly string[] }

export class ModuleError extends Error {
  readonly trace: string[]; constructor(m: string, trace: string[] = []) {  super(m); this.trace = trace; this.name = "ModuleError"; }
  override toString(): string { const n = this.trace.length, tr = n > 8 ? [...this.trace.slice(0, 4), `(${n - 6} more)`, ...this.trace.slice(-2)] : this.trace; return [this.message, ...tr.map(t => "  … " + t)].join("\n"); }
}
export class InfiniteRecursion extends ModuleError { override name = "InfiniteRecursion"; }
export const show = (p: readonly string[]): string => p.map(k => /^[\w-]+$/.test(k) ? k : JSON.stringify(k)).join(".");
const isPlain = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v) && !(v instanceof Wrapper) && !(v instanceof EachWrapper) && !(v instanceof LiteralValue);
/** Read a property without forcing it: getters (lazy values, or written by hand) become thunks. */
export const prop = (o: Record<string, unknown>, k: string): unknown => Object.getOwnPropertyDescriptor(o, k)?.get ? () => o[k] : o[k];
const near = (k: string, ks: readonly string[]): string => {
  const d = (a: string, b: string): number => { let p = [...Array(b.length + 1).keys()]; for (let i = 1; i <= a.length; i++) { const c = [i]; for (let j = 1; j <= b.length; j++) c[j] = Math.min(p[j]! + 1, c[j - 1]! + 1, p[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)); p = c; } return p[b.length]!; };
  const best = ks.map(x => [d(k, x), x] as const).sort((a, b) => a[0] - b[0])[0]; return best && best[0] <= Math.min(2, Math.floor(k.length / 2)) ? ` Did you mean '${best[1]}'?` : "";
};

// ------------------------------------------------------------------------------------------------ evaluator
interface Frame { readonly what: string; at?: string | undefined; readonly owner: object }

export class Evaluator {
  readonly stack: Frame[] = []; readonly conds = new WeakMap<Wrapper, boolean>();
  readonly errors: string[] = []; thunkRuns = 0;
  /** About a third of what Node's default stack (984 KB) holds; raise it together with --stack-size or a Worker's stackSizeMb. */
  readonly maxDepth = 300;
  readonly specialArgs: object; constructor(specialArgs: object) { this.specialArgs = specialArgs; }

  within<T>(owner: object, what: string, f: () => T): T {
    const i = this.stack.findIndex(x => x.owner === owner);
    if (i >= 0) {
      const cyc = [...this.stack.slice(i), this.stack[i]!];
      throw new InfiniteRecursion("infinite recursion:\n" + cyc.map((x, n) => `  ${n ? "→ " : "  "}${x.what}${x.at !== undefined && n < cyc.length - 1 ? `   (${x.at})` : ""}`).join("\n"));
    }
    if (this.stack.length >= this.maxDepth) throw new ModuleError(`options depend on each other more than ${this.maxDepth} deep:\n  ${this.stack.slice(0, 3).map(x => x.what).join(" → ")} → … → ${this.stack.slice(-3).map(x => x.what).join(" → ")}`);
    this.stack.push({ what, owner });
    try { return f(); }
    catch (e) {
      if (e instanceof ModuleError && !(e instanceof InfiniteRecursion)) e.trace.push(`while evaluating ${what}`);
      else if (!(e instanceof ModuleError)) { const w = new ModuleError(String(e instanceof Error ? e.message : e)); w.cause = e; w.trace.push(`while evaluating ${what}${this.stack.at(-1)?.at !== undefined ? ` (defined at ${this.stack.at(-1)!.at})` : ""}`); throw w; }
      throw e;
    } finally { this.stack.pop(); }
  }

  thunk(f: (...a: unknown[]) => unknown, pos: Capture, args: unknown[] = []): unknown {
    const top = this.stack.at(-1); if (top) top.at = where(pos);
    this.thunkRuns++; return f(...args);
  }

  cond(w: Wrapper): boolean {
    const known = this.conds.get(w); if (known !== undefined) return known;
    const c = w.cond;
    const v = typeof c === "function" ? this.within(w, `mkIf condition at ${where(w.pos)}`, () => this.thunk(c as () => unknown, w.pos)) : c;
    if (typeof v !== "boolean") throw new ModuleError(`mkIf condition at ${where(w.pos)} is ${typeof v}, not boolean`);
    this.conds.set(w, v); return v;
  }

  /** Take off wrappers that are visible without running any thunk. */
  peel(r: Raw, out: Raw[], inThunk = false): Raw[] {
    const v = r.value;
    if (!(v instanceof Wrapper)) { out.push(r); return out; }
    switch (v.kind) {
      case "define": return this.peel({ ...r, value: v.content, pos: v.pos }, out, inThunk);
      case "if": return this.peel({ ...r, value: v.content, pos: v.pos, conds: [...r.conds, v] }, out, inThunk);
      case "merge": for (const x of v.content as unknown[]) this.peel({ ...r, value: x, pos: v.pos }, out, inThunk); return out;
      case "order": return this.peel({ ...r, value: v.content, pos: v.pos, order: v.n }, out, inThunk);
      case "override":
        if (inThunk) throw new ModuleError(`a priority (mkForce, mkDefault, mkOverride) must be visible without running a thunk: write mkForce(() => …), not () => mkForce(…)   (${where(v.pos)})`);
        return this.peel({ ...r, value: v.content, pos: v.pos, prio: v.n }, out, inThunk);
    }
  }

  /** Priority classes from strongest to weakest; the first with an active definition wins, weaker ones are never run. */
  active(raws: readonly Raw[], type: RuntimeType, args?: () => unknown): { defs: Active[]; prio: number } {
    const cands: Raw[] = []; for (const r of raws) this.peel(r, cands);
    const byPrio = new Map<number, Raw[]>(); for (const c of cands) { const p = c.prio ?? c.base; const l = byPrio.get(p); if (l) l.push(c); else byPrio.set(p, [c]); }
    for (const prio of [...byPrio.keys()].sort((a, b) => a - b)) {
      const defs: Active[] = [];
      for (const c of byPrio.get(prio)!) this.settle(c, type, args, defs);
      if (defs.length) return { defs: defs.sort((a, b) => a.raw.order - b.raw.order), prio };
    }
    return { defs: [], prio: Infinity };
  }
  private settle(c: Raw, type: RuntimeType, args: (() => unknown) | undefined, out: Active[]): void {
    for (const w of c.conds) if (!this.cond(w)) return;
    // A function is a thunk, except `({ name, config }) => …` (it declares a parameter) in submodule position.
    if (typeof c.value === "function" && !(type.takesFunctions === true && c.value.length > 0)) {
      const r = this.thunk(c.value as () => unknown, c.pos);
      for (const x of this.peel({ ...c, value: r, conds: [] }, [], true)) this.settle(x, type, args, out);
    } else out.push({ value: c.value, raw: c });
  }
  hasActive(raws: readonly Raw[]): boolean { const cs: Raw[] = []; for (const r of raws) this.peel(r, cs); return cs.some(c => c.conds.every(w => this.cond(w))); }

  evalLazy(raws: readonly Raw[], type: RuntimeType, path: readonly string[]): () => unknown {
    let st: 0 | 1 = 0, val: unknown; const owner = {};
    return () => {
      if (st) return val;
      val = this.within(owner, show(path), () => { const a = this.active(raws, type); if (!a.defs.length) throw new ModuleError(`${show(path)} has no definition`); const top = this.stack.at(-1)!; top.at = where(a.defs[0]!.raw.pos); return type.merge({ ev: this, path }, a.defs); });
      st = 1; return val;
    };
  }
}

export class Cell {
  raws: Raw[] = []; state: 0 | 1 = 0; value: unknown; type: RuntimeType; prio = Infinity; private act: { defs: Active[]; prio: number } | undefined;
  readonly ev: Evaluator; readonly path: readonly string[]; readonly decls: RuntimeOption[]; constructor(ev: Evaluator, path: readonly string[], decls: RuntimeOption[]) { this.ev = ev; this.path = path; this.decls = decls;  this.type = decls[0]!.type; }
  active(): { defs: Active[]; prio: number } {
    if (this.act) return this.act;
    const d = this.decls.find(x => x.hasDefault);
    const raws = d ? [...this.raws, { value: d.default, pos: d.pos, prio: undefined, order: 1000, conds: [], base: 1500 }] : this.raws;
    return this.act = this.ev.active(raws, this.type);
  }
  force(): unknown {
    if (this.state) return this.value;
    const v = this.ev.within(this, show(this.path), () => {
      const a = this.active();
      if (!a.defs.length) throw new ModuleError(`the option ${show(this.path)} is used but has no definition (declared at ${where(this.decls[0]!.pos)})`);
      const top = this.ev.stack.at(-1)!; top.at = where(a.defs[0]!.raw.pos);
      if (this.decls.some(d => d.readOnly) && this.raws.length > 1) throw new ModuleError(`the option ${show(this.path)} is read-only but defined ${this.raws.length} times:${a.defs.map(d => `\n    at ${where(d.raw.pos)}`).join("")}`);
      let r = this.type.merge({ ev: this.ev, path: this.path }, a.defs);
      for (const d of this.decls) if (d.apply) r = (d.apply as (v: unknown) => unknown)(r);
      return r;
    });
    this.value = v; this.state = 1; return v;
  }
}
interface GroupNode { readonly path: readonly string[]; readonly kids: Map<string, GroupNode | Cell>; vals?: object; view?: object }

/** One fixpoint: the whole system, or one instance of a submodule. */
export class Scope {
  readonly root: GroupNode; collecting = true; private readonly free = new Map<string, Raw[]>();
  readonly ev: Evaluator; private readonly freeform: RuntimeType | undefined; private readonly extraArgs: object; constructor(ev: Evaluator, path: readonly string[], modules: readonly RuntimeModule[], freeform: RuntimeType | undefined, extra: readonly Raw[], extraArgs: object) { this.ev = ev; this.freeform = freeform; this.extraArgs = extraArgs; 
    this.root = { path, kids: new Map() };
    const mods: RuntimeModule[] = []; const seen = new Set<unknown>();
    const visit = (m: RuntimeModule): void => { const k = m.spec.key ?? m; if (seen.has(k)) return; seen.add(k); for (const i of m.spec.imports ?? []) visit(i); mods.push(m); };
    for (const m of modules) visit(m);
    for (const m of mods) if (m.spec.options) this.declare(this.root, m.spec.options as Record<string, unknown>);
    const args = this.args();
    const raws: Raw[] = [];
    for (const m of mods) for (const [f, base] of [[m.spec.defaults, 1400], [m.spec.config, 100]] as const)
      if (f !== undefined) raws.push({ value: typeof f === "function" ? ev.thunk(f as () => unknown, m.pos, [args]) : f, pos: m.pos, prio: undefined, order: 1000, conds: [], base });
    for (const r of extra) raws.push(typeof r.value === "function" ? { ...r, value: ev.thunk(r.value as () => unknown, r.pos, [args]) } : r);
    const before = ev.errors.length;
    for (const r of raws) this.push(this.root, r);
    this.collecting = false;
    if (ev.errors.length > before) throw new ModuleError(ev.errors.splice(before).join("\n"));
  }
  private declare(g: GroupNode, tree: Record<string, unknown>): void {
    for (const [k, o] of Object.entries(tree)) {
      const path = [...g.path, k], old = g.kids.get(k);
      if ((o as RuntimeOption).isOption === true) {
        const opt = o as RuntimeOption;
        if (old === undefined) g.kids.set(k, new Cell(this.ev, path, [opt]));
        else if (old instanceof Cell) { const t = old.type.combine?.(opt.type); if (!t) throw new ModuleError(`the option ${show(path)} is declared at ${where(old.decls[0]!.pos)} and again at ${where(opt.pos)}`); old.type = t; old.decls.push(opt); }
        else throw new ModuleError(`${show(path)} is both an option and a group`);
      } else {
        if (old instanceof Cell) throw new ModuleError(`${show(path)} is both an option and a group`);
        const n = old ?? { path, kids: new Map<string, GroupNode | Cell>() }; g.kids.set(k, n); this.declare(n, o as Record<string, unknown>);
      }
    }
  }
  /** Push a definition down the option tree. Conditions travel with it unevaluated; the structure itself is static. */
  private push(g: GroupNode, r0: Raw): void {
    for (const r of this.ev.peel(r0, [])) {
      if (!isPlain(r.value)) { this.ev.errors.push(typeof r.value === "function" ? `${show(g.path) || "config"}: a group of options cannot be a thunk; put the thunk at the options inside it   (${where(r.pos)})` : `${show(g.path) || "config"} is a group of options, not a value   (${where(r.pos)})`); continue; }
      for (const k of Object.keys(r.value)) {
        const kid = g.kids.get(k), v: Raw = { ...r, value: prop(r.value, k) };
        if (kid instanceof Cell) kid.raws.push(v);
        else if (kid) this.push(kid, v);
        else if (this.freeform && g === this.root) { const l = this.free.get(k); if (l) l.push(v); else this.free.set(k, [v]); }
        else this.ev.errors.push(`the option ${show([...g.path, k])} does not exist.${near(k, [...g.kids.keys()])}   (defined at ${where(r.pos)})`);
      }
    }
  }
  args(): object { const self = this; return Object.freeze({ ...this.ev.specialArgs, ...this.extraArgs, get config() { return self.values(); }, get options() { return self.view(self.root); } }); }

  /** The configuration as a lazy object: a getter per option. While definitions are being collected, options cannot be read. */
  values(g: GroupNode = this.root): object {
    const old = g.vals, o = old ?? {}; g.vals = o;
    if (!old) for (const [k, n] of g.kids) {
      const get = n instanceof Cell ? (): unknown => { if (this.collecting) throw new ModuleError(`config.${show(n.path)} was read while definitions are still being collected. Read it inside a thunk: () => … config.${show(n.path)} …   (${where(capture(get as () => unknown, 3))})`); return n.force(); } : () => this.values(n);
      Object.defineProperty(o, k, { enumerable: true, get });
    }
    if (this.freeform && g === this.root) {
      if (this.collecting || Object.isFrozen(o)) return o;
      const t = this.freeform.parts?.elem ?? this.freeform;
      for (const [k, rs] of this.free) if (this.ev.hasActive(rs)) Object.defineProperty(o, k, { enumerable: true, get: this.ev.evalLazy(rs, t, [...g.path, k]) });
    }
    return Object.freeze(o);
  }
  private view(n: GroupNode | Cell): object {
    if (!(n instanceof Cell)) { if (n.view) return n.view; const o = {}; n.view = o; for (const [k, kid] of n.kids) Object.defineProperty(o, k, { enumerable: true, get: () => this.view(kid) }); return o; }
    const o = { path: n.path };
    const q = (k: string, f: () => unknown): void => { Object.defineProperty(o, k, { enumerable: true, get: () => { if (this.collecting) throw new ModuleError(`options.${show(n.path)}.${k} was read while definitions are still being collected; use a thunk`); return this.ev.within({}, `options.${show(n.path)}.${k}`, f); } }); };
    q("value", () => n.force()); q("isDefined", () => n.raws.length > 0 && n.active().prio < 1400); q("highestPrio", () => n.active().prio); q("definitions", () => n.active().defs.map(d => ({ value: d.value, at: where(d.raw.pos) })));
    return o;
  }
}
