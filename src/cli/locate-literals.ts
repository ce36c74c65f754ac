/**
 * The properties that object literals inside a call define, each with the names that lead to it:
 *
 *     define({ a: mkIf(c, { b: [1, 2] }) })   →   a · a.b · a.b[0] · a.b[1]
 *
 * Calls, parentheses, conditionals and function bodies are looked through, whatever they are: what lies in them is
 * where its call stands. Parameters, patterns and types have braces too, and are stepped over.
 */
import type { Token } from "./locate-tokens.ts";

/** A name, the place of an element, or anything (a computed name). */
export type Segment = string | number | undefined;

/** A property, or an element of a list. */
export interface Property {
  readonly path: readonly Segment[];
  readonly line: number;
  readonly column: number;
  /** The tokens of its value. */
  readonly value: readonly Token[];
  /** Whether there may be more in the value than its source says. */
  readonly isOpen: boolean;
}

/** All properties between two tokens. */
export function propertiesIn(tokens: readonly Token[], from: number, to: number): readonly Property[] {
  const found: Property[] = [];
  new Walk(tokens, found).expression(from, to, []);
  return found;
}

/** Words before a brace that is a pattern or a type. */
const skipped = new Set(["const", "let", "var", "as", "satisfies", "type", "import", "export", "<", "|", "&"]);
/** Tokens after which a brace begins an object literal. */
const literals = new Set([
  "(",
  ",",
  ":",
  "[",
  "?",
  "=",
  "return",
  "&&",
  "||",
  "??",
  "...",
  "yield",
  "await",
  "default",
]);
const modifiers = new Set(["get", "set", "async", "readonly", "*"]);

class Walk {
  readonly #tokens: readonly Token[];
  readonly #found: Property[];

  constructor(tokens: readonly Token[], found: Property[]) {
    this.#tokens = tokens;
    this.#found = found;
  }

  #text(index: number): string {
    const token = this.#tokens[index];
    return token === undefined || token.kind === "string" ? "" : token.text;
  }
  #partner(index: number): number {
    return this.#tokens[index]?.partner ?? -1;
  }

  /** Everything from `at` to before `end`. */
  expression(at: number, end: number, path: readonly Segment[]): void {
    for (let i = at; i < end; i++) {
      const partner = this.#partner(i);
      if (partner <= i) continue;
      const before = i === 0 ? "" : this.#text(i - 1);
      switch (this.#text(i)) {
        case "(":
          // What a condition mentions is not what is defined.
          if (before === "mkIf") this.expression(this.#comma(i + 1, partner) + 1, partner, path);
          else if (!this.#isParameters(partner)) this.expression(i + 1, partner, path);
          break;
        case "[":
          // After a value it reads a member.
          if (i === at || !(this.#isValueEnd(i - 1) || before === "const")) this.#list(i + 1, partner, path);
          break;
        case "{":
          if (skipped.has(before)) break;
          if (i === at || literals.has(before)) this.#object(i + 1, partner, path);
          else this.expression(i + 1, partner, path);
          break;
      }
      i = partner;
    }
  }

  #isValueEnd(index: number): boolean {
    const token = this.#tokens[index];
    if (token === undefined) return false;
    return token.kind === "punctuation" ? ")]".includes(token.text) : token.text !== "return";
  }

  /** Whether the parentheses that end here hold parameters: an arrow, a type and an arrow, or a body follows. */
  #isParameters(close: number): boolean {
    const after = this.#text(close + 1);
    if (after === "=>" || after === "{") return true;
    if (after !== ":") return false;
    for (let i = close + 2; i < close + 20; i++) {
      const text = this.#text(i);
      if (text === "=>") return true;
      if (text === "," || text === ";" || text === ")" || text === "") return false;
      if (this.#partner(i) > i) i = this.#partner(i);
    }
    return false;
  }

  /** The next comma outside brackets, or the end. */
  #comma(from: number, end: number): number {
    let i = from;
    while (i < end && this.#text(i) !== ",") i = this.#partner(i) > i ? this.#partner(i) + 1 : i + 1;
    return Math.min(i, end);
  }

  #add(path: readonly Segment[], key: number, from: number, end: number): void {
    const token = this.#tokens[key];
    if (token === undefined) return;
    const { line, column } = token;
    this.#found.push({
      path,
      line,
      column,
      value: this.#tokens.slice(from, end),
      isOpen: !(this.#text(from) === "{" && this.#partner(from) === end - 1) || this.#spreads(from + 1, end - 1),
    });
  }

  #spreads(from: number, end: number): boolean {
    for (let i = from; i < end; i = this.#comma(i, end) + 1) if (["...", "["].includes(this.#text(i))) return true;
    return false;
  }

  #list(from: number, end: number, path: readonly Segment[]): void {
    let isCounted = true;
    for (let i = from, n = 0; i < end; n++) {
      const comma = this.#comma(i, end);
      if (this.#text(i) === "...") isCounted = false;
      const own = [...path, isCounted ? n : undefined];
      if (isCounted) this.#add(own, i, i, comma);
      this.expression(i, comma, own);
      i = comma + 1;
    }
  }

  #object(from: number, end: number, path: readonly Segment[]): void {
    for (let i = from; i < end; ) {
      const comma = this.#comma(i, end);
      this.#member(i, comma, path);
      i = comma + 1;
    }
  }

  #member(from: number, end: number, path: readonly Segment[]): void {
    if (this.#text(from) === "...") {
      this.expression(from + 1, end, path);
      return;
    }
    let key = from;
    while (modifiers.has(this.#text(key)) && key + 1 < end && !":(,".includes(this.#text(key + 1) || "x")) key++;
    const token = this.#tokens[key];
    if (token === undefined || key >= end) return;
    const isComputed = this.#text(key) === "[";
    const after = isComputed ? this.#partner(key) + 1 : key + 1;
    const inner = isComputed && after === key + 3 ? this.#tokens[key + 1] : undefined;
    const own = [...path, isComputed ? (inner?.kind === "string" ? inner.text : undefined) : token.text];
    if (this.#text(after) === ":" && after < end) {
      this.#add(own, key, after + 1, end);
      this.expression(after + 1, end, own);
      return;
    }
    // A shorthand, or a method, whose parameters and body follow.
    this.#add(own, key, key, end);
    if (after < end) this.expression(after, end, own);
  }
}
