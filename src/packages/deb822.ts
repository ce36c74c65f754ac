/**
 * The deb822 format: paragraphs of `Field: value`, separated by empty lines, as in `Packages`, `Release` and apt's
 * `.sources` files.
 *
 *     Package: nginx            →  Map { "package" → "nginx", "depends" → "libc6\nlibssl3t64" }
 *     Depends: libc6
 *      libssl3t64
 *
 * Field names are case-insensitive and kept in lower case. Continuation lines keep their text without the first blank;
 * a lone dot stands for an empty line. Lines that start with `#` are comments.
 */
import { fail } from "../problems/index.ts";

/** One paragraph: values by lower-case field name. */
export type Paragraph = ReadonlyMap<string, string>;

/**
 * Parse a whole text into its paragraphs.
 *
 * Not meant for a 50 MB `Packages` file; {@link splitParagraphs} cuts that into pieces, which are parsed one by one as
 * they are needed.
 *
 * @param file names the text for problems.
 */
export function parseParagraphs(text: string, file: string): readonly Paragraph[] {
  const paragraphs: Paragraph[] = [];
  let fields = new Map<string, string>();
  let current: string | undefined;
  const lines = text.split("\n");
  for (const [index, raw] of lines.entries()) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (line.startsWith("#")) continue;
    if (line.trim() === "") {
      if (fields.size > 0) paragraphs.push(fields);
      fields = new Map();
      current = undefined;
      continue;
    }
    if (line.startsWith(" ") || line.startsWith("\t")) {
      if (current === undefined) malformed(file, index + 1, "a continuation line without a field");
      const more = line.slice(1).trimEnd();
      const before = fields.get(current) ?? "";
      fields.set(current, `${before}\n${more.trim() === "." ? "" : more}`);
      continue;
    }
    const colon = line.indexOf(":");
    if (colon <= 0) malformed(file, index + 1, "a line that is neither `Field: value` nor a continuation");
    current = line.slice(0, colon).toLowerCase();
    if (!/^[!-9;-~]+$/.test(current)) malformed(file, index + 1, "a field name with blanks or odd characters");
    if (fields.has(current)) malformed(file, index + 1, `the field ${line.slice(0, colon)} for a second time`);
    fields.set(current, line.slice(colon + 1).trim());
  }
  if (fields.size > 0) paragraphs.push(fields);
  return paragraphs;
}

/** Parse a text that must be a single paragraph, such as a `Release` file. */
export function parseParagraph(text: string, file: string): Paragraph {
  const paragraphs = parseParagraphs(text, file);
  const [first] = paragraphs;
  if (first === undefined || paragraphs.length > 1) {
    fail({
      code: "archive-malformed",
      message: `${file} should be one paragraph of fields but has ${paragraphs.length}`,
      fix: "The mirror serves something that is not a Debian archive; check its address.",
    });
  }
  return first;
}

/**
 * Walk the paragraphs of a large text by position, without parsing them: calls `visit(start, end)` for each.
 */
export function splitParagraphs(text: string, visit: (start: number, end: number) => void): void {
  let start = 0;
  while (start < text.length) {
    if (text.charCodeAt(start) === 10) {
      start++;
      continue;
    }
    const gap = text.indexOf("\n\n", start);
    const end = gap < 0 ? text.length : gap + 1;
    visit(start, end);
    start = end;
  }
}

function malformed(file: string, line: number, what: string): never {
  fail({
    code: "archive-malformed",
    message: `${file} is not control data: ${what}`,
    sites: [{ file, line }],
    fix: "The file is damaged or is not what its name says; fetch it again, or check the mirror's address.",
  });
}
