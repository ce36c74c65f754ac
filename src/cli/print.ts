/**
 * Merged configuration as text and as JSON.
 *
 * Derivations are printed as their store paths and packages as their names, so that looking at a configuration neither
 * builds nor fetches. Options that nobody defined are left out; functions and modules are shown as what they are.
 */
import { ProblemError } from "../problems/index.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Codes of problems that say "this has no value here", which is not an error when a whole tree is looked at. */
const ABSENT = new Set(["option-undefined", "package-not-locked"]);

/** The value as plain data. */
export function toData(value: unknown): Json {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (Array.isArray(value)) return value.map((item) => toData(item));
  if (typeof value === "function") return "<function>";
  if (typeof value !== "object") return String(value);
  if ("type" in value && value.type === "package" && "name" in value) return `<package ${String(value.name)}>`;
  if ("type" in value && value.type === "derivation") return String(value);
  if ("type" in value && value.type === "source") return String(value);
  if (!isPlain(value)) return `<${value.constructor.name}>`;
  const result: { [key: string]: Json } = {};
  for (const key of Object.keys(value).sort()) {
    const item = readOrSkip(value, key);
    if (item !== undefined) Object.defineProperty(result, key, { value: item.data, enumerable: true });
  }
  return result;
}

/** As JSON, two spaces of indentation. */
export function toJson(value: unknown): string {
  return JSON.stringify(toData(value), null, 2);
}

/** As text for people: a tree of `name: value` lines; a single value stands alone. */
export function toText(value: unknown): string {
  const data = toData(value);
  return isTree(data) ? lines(data, "").join("\n") : leaf(data);
}

function lines(tree: { [key: string]: Json }, indent: string): string[] {
  return Object.entries(tree).flatMap(([key, item]) => {
    const name = /^[\w@./-]+$/.test(key) ? key : JSON.stringify(key);
    return isTree(item) ? [`${indent}${name}:`, ...lines(item, `${indent}  `)] : [`${indent}${name}: ${leaf(item)}`];
  });
}

function leaf(data: Json): string {
  return typeof data === "string" && !/[\n\r\t]/.test(data) && data !== "" ? data : JSON.stringify(data);
}

function isTree(data: Json): data is { [key: string]: Json } {
  return typeof data === "object" && data !== null && !Array.isArray(data) && Object.keys(data).length > 0;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function readOrSkip(value: object, key: string): { data: Json } | undefined {
  try {
    return { data: toData((value as Record<string, unknown>)[key]) };
  } catch (error) {
    if (error instanceof ProblemError && error.problems.every((p) => ABSENT.has(p.code))) return undefined;
    throw error;
  }
}
