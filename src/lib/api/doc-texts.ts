/**
 * What documentation shows: words for values that cannot be printed, and names of options.
 */
import { expecting, expectingPath } from "../core/calls.ts";
import { DocText } from "../core/doc-text.ts";
import { showPath } from "../core/loc.ts";

/**
 * Code that documentation shows as it is, in the place of a default or an example. NixOS: `lib.literalExpression`.
 *
 * @example
 * import { literalExpression, mkOption, t } from "osmod/lib";
 *
 * export const option = mkOption({
 *   type: t.path,
 *   defaultText: literalExpression("`${config.dataDir}/cache`"),
 *   example: literalExpression("`${pkgs.nginx}/sbin/nginx`"),
 * });
 */
export function literalExpression(text: string): DocText {
  expecting(typeof text === "string", "literalExpression", "text", text);
  return new DocText("expression", text);
}

/**
 * Prose, in Markdown, that documentation shows in the place of a default or an example. NixOS: `lib.literalMD`.
 *
 * @example
 * import { literalMD, mkOption, t } from "osmod/lib";
 *
 * export const option = mkOption({ type: t.int, defaultText: literalMD("the number of *cores*") });
 */
export function literalMD(text: string): DocText {
  expecting(typeof text === "string", "literalMD", "text", text);
  return new DocText("markdown", text);
}

/**
 * A block of code in some language, in the place of a default or an example. NixOS: `lib.literalCode`.
 *
 * @example
 * import { literalCode } from "osmod/lib";
 *
 * literalCode("nginx", "listen 80;").text; // "```nginx\nlisten 80;\n```"
 */
export function literalCode(language: string, text: string): DocText {
  expecting(typeof text === "string", "literalCode", "a language and text", text);
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return literalMD(`${fence}${language}\n${text}\n${fence}`);
}

/**
 * A path as users write it: names that are no identifiers are quoted, placeholders are not. NixOS: `lib.showOption`.
 *
 * @example
 * import { showOption } from "osmod/lib";
 *
 * showOption(["sites", "example.org", "root"]); // "sites.\"example.org\".root"
 */
export function showOption(path: readonly string[]): string {
  expectingPath("showOption", path);
  return showPath(path);
}
