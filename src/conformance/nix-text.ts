/**
 * Plain data as Nix source text, one member a line.
 */

const keywords = new Set(["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"]);

/** A name as it stands in a path or before an equals sign; placeholders stand for themselves. */
export function nixIdentifier(name: string): string {
  const bare = /^[a-zA-Z_][a-zA-Z0-9_'-]*$/.test(name) && !keywords.has(name);
  return bare || name === "*" || /^<.*>$/.test(name) ? name : quoted(name);
}

/** A value as source text. */
export function nixText(value: unknown, indent = ""): string {
  const intro = `\n${indent}  `;
  const outro = `\n${indent}`;
  if (typeof value === "string") return textLiteral(value, intro, outro);
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) {
    if (value.length === 0) return "[ ]";
    return `[${value.map((item) => intro + nixText(item, `${indent}  `)).join("")}${outro}]`;
  }
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  if (members.length === 0) return "{ }";
  return `{${members.map(([name, item]) => `${intro}${nixIdentifier(name)} = ${nixText(item, `${indent}  `)};`).join("")}${outro}}`;
}

function textLiteral(text: string, intro: string, outro: string): string {
  const lines = text.split("\n");
  if (lines.length === 1) return quoted(text);
  const escaped = lines.map((line) => line.replaceAll("''", "'''").replaceAll("${", "''${"));
  const last = escaped.pop() ?? "";
  return `''${escaped.map((line) => intro + line).join("")}${last === "" ? outro : intro + last}''`;
}

function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("${", "\\${").replaceAll("\n", "\\n")}"`;
}
