/**
 * Words in the place of a value, where documentation shows one.
 */

/**
 * Text to be shown as it is, instead of a value: code, or Markdown.
 *
 * @example
 * import { DocText, literalMD } from "osmod/lib";
 *
 * literalMD("see below") instanceof DocText; // true
 */
export class DocText {
  readonly format: "expression" | "markdown";
  readonly text: string;
  constructor(format: "expression" | "markdown", text: string) {
    this.format = format;
    this.text = text;
  }
}
