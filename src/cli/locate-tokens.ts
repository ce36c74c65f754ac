/**
 * TypeScript source as tokens, for finding a property in an object literal; not a parser.
 *
 * Comments are dropped, a template with all it interpolates is one token, and whether a slash divides or begins a
 * regular expression is decided by the token before it: after a value it divides. Every bracket knows its partner, so a
 * reader can step over what it does not care about; source whose brackets do not match has no tokens at all.
 */

/** What a token is. */
export type TokenKind = "word" | "string" | "template" | "number" | "regex" | "punctuation";

/** A token and its place. */
export interface Token {
  readonly kind: TokenKind;
  /** As written; the contents of a string. */
  readonly text: string;
  /** One-based. */
  readonly line: number;
  /** One-based. */
  readonly column: number;
  /** Index of the partner of a bracket; -1 for anything else. */
  partner: number;
}

const patterns: readonly (readonly [TokenKind | "nothing", RegExp])[] = [
  ["nothing", /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\//y],
  ["word", /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*/uy],
  ["number", /(?:0[xob][\da-f_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:e[+-]?\d+)?)n?/iy],
  ["string", /"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/y],
  ["punctuation", /=>|\.\.\.|\?\.(?!\d)|[=!]==?|&&|\|\||\?\?|[^\s]/y],
];
const regex = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const brackets: { readonly [close: string]: string } = { ")": "(", "]": "[", "}": "{" };
/** Words after which a slash begins a regular expression. */
const operators = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "void",
  "delete",
  "await",
  "yield",
  "throw",
  "else",
]);

/** The tokens of a source, or `undefined` if its brackets do not match. */
export function tokenize(source: string): readonly Token[] | undefined {
  const tokens: Token[] = [];
  const open: number[] = [];
  let line = 1;
  let lineStart = 0;
  let at = source.startsWith("#!") ? Math.max(source.indexOf("\n"), 0) : 0;
  while (at < source.length) {
    const [kind, text] = next(source, at, tokens.at(-1));
    if (kind !== "nothing") {
      const index = tokens.length;
      const content = kind === "string" ? unquote(text) : text;
      const token: Token = { kind, text: content, line, column: at - lineStart + 1, partner: -1 };
      tokens.push(token);
      if (kind === "punctuation" && "([{".includes(text)) open.push(index);
      else if (kind === "punctuation" && brackets[text] !== undefined) {
        const partner = open.pop();
        const opening = partner === undefined ? undefined : tokens[partner];
        if (partner === undefined || opening?.text !== brackets[text]) return undefined;
        opening.partner = index;
        token.partner = partner;
      }
    }
    for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) {
      line++;
      lineStart = at + i + 1;
    }
    at += text.length;
  }
  return open.length === 0 ? tokens : undefined;
}

function next(source: string, at: number, before: Token | undefined): [TokenKind | "nothing", string] {
  if (source[at] === "`") return ["template", source.slice(at, templateEnd(source, at))];
  if (source[at] === "/" && !endsValue(before) && !"/*".includes(source[at + 1] ?? "")) {
    regex.lastIndex = at;
    const match = regex.exec(source);
    if (match !== null) return ["regex", match[0]];
  }
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match !== null) return [kind, match[0]];
  }
  return ["nothing", source[at] ?? " "];
}

function endsValue(token: Token | undefined): boolean {
  if (token === undefined) return false;
  if (token.kind === "punctuation") return ")]}".includes(token.text);
  return token.kind !== "word" || !operators.has(token.text);
}

/** Where a template ends; what it interpolates may contain strings, templates and braces of its own. */
function templateEnd(source: string, start: number): number {
  let at = start + 1;
  let depth = 0;
  while (at < source.length) {
    const char = source[at];
    if (char === "\\") at++;
    else if (depth === 0 && char === "`") return at + 1;
    else if (depth === 0 && char === "$" && source[at + 1] === "{") {
      depth = 1;
      at++;
    } else if (depth > 0) {
      if (char === "{") depth++;
      else if (char === "}") depth--;
      else if (char === "`") at = templateEnd(source, at) - 1;
      else if (char === '"' || char === "'") at = stringEnd(source, at) - 1;
    }
    at++;
  }
  return at;
}

function stringEnd(source: string, start: number): number {
  let at = start + 1;
  while (at < source.length && source[at] !== source[start] && source[at] !== "\n") at += source[at] === "\\" ? 2 : 1;
  return at + 1;
}

const escapes: { readonly [letter: string]: string } = {
  n: "\n",
  t: "\t",
  r: "\r",
  b: "\b",
  f: "\f",
  v: "\v",
  0: "\0",
};

function unquote(text: string): string {
  return text
    .slice(1, -1)
    .replaceAll(/\\(?:u\{([\da-f]+)\}|u([\da-f]{4})|x([\da-f]{2})|([\s\S]))/gi, (all, a, b, c, letter?: string) => {
      const code = (a ?? b ?? c) as string | undefined;
      if (letter !== undefined) return letter === "\n" ? "" : (escapes[letter] ?? letter);
      const point = Number.parseInt(code ?? "", 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : (all as string);
    });
}
