/** Option paths as users type them: `services.nginx.virtualHosts."a.example".root`. */
import { fail } from "../problems/index.ts";

/**
 * Split a path at its dots; a part in double quotes may contain dots.
 *
 * Problem: `usage`, for an empty part or an open quote.
 */
export function parseOptionPath(text: string): readonly string[] {
  if (text === "") return [];
  const parts: string[] = [];
  const part = /"((?:[^"\\]|\\.)*)"|([^."]+)/y;
  for (;;) {
    const match = part.exec(text);
    if (match === null) break;
    parts.push(match[1] === undefined ? (match[2] ?? "") : match[1].replaceAll(/\\(.)/g, "$1"));
    if (part.lastIndex === text.length) return parts;
    if (text[part.lastIndex] !== ".") break;
    part.lastIndex += 1;
  }
  return fail({
    code: "usage",
    message: `${JSON.stringify(text)} is not an option's path`,
    fix: `separate names by dots and quote those that have dots in them: services.nginx.virtualHosts."a.example".root`,
  });
}

/** The value at a path of merged configuration; `option-unknown` where there is none. */
export function optionAt(config: unknown, path: string): unknown {
  let value = config;
  let seen = "";
  for (const part of parseOptionPath(path)) {
    if (typeof value !== "object" || value === null || !(part in value)) {
      const names =
        typeof value === "object" && value !== null ? Object.keys(value).filter((n) => n !== "_module") : [];
      fail({
        code: "option-unknown",
        option: path,
        message: `there is no ${part} in ${seen === "" ? "the configuration" : seen}`,
        notes: names.length === 0 ? [] : [`there are: ${names.sort().join(", ")}`],
        fix: "ask for one of these",
      });
    }
    value = (value as Record<string, unknown>)[part];
    seen = seen === "" ? part : `${seen}.${part}`;
  }
  return value;
}
