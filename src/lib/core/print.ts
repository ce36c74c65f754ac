/**
 * Values as text, for problems and explanations.
 *
 * Printing must never make things worse: it runs no thunk and no getter, survives proxies, cycles and anything else,
 * and is short: five lines, a few levels.
 *
 *     { ports: [22, 80], text: () => …, root: mkForce("/srv") }
 */
import { carefully, isList } from "./careful.ts";
import { OptionDecl } from "./option.ts";
import { Change, EachValue, LiteralValue, Property, propertyName, UnsetValue } from "./property.ts";

const maxDepth = 4;
const maxItems = 8;
const maxWidth = 72;
const maxLines = 5;
const maxString = 200;

/** Print any value, at most five lines. */
export function print(value: unknown): string {
  const text = safely(() => render(value, 0));
  const lines = text.length <= maxWidth ? [text] : safely(() => renderWide(value)).split("\n");
  return (lines.length <= maxLines ? lines : [...lines.slice(0, maxLines), "…"]).join("\n");
}

/** What kind of thing a value is, for "expected a list, got …". */
export function kindOf(value: unknown): string {
  return carefully(() => kindOfReadable(value), "a value that cannot be looked at");
}

function kindOfReadable(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return isList(value) ? "a list" : "a list with holes";
  if (value instanceof Property) return propertyName(value);
  if (value instanceof UnsetValue) return "mkUnset()";
  if (value instanceof Change) return changeName(value);
  if (value instanceof EachValue) return "mkEach";
  switch (typeof value) {
    case "object":
      return objectKind(value);
    case "function":
      return "a function";
    case "undefined":
      return "undefined";
    default:
      return `a ${typeof value}`;
  }
}

function objectKind(value: object): string {
  if (value instanceof OptionDecl) return "an option";
  const name = className(value);
  return name === "" ? "an attribute set" : `an instance of ${name.trim()}`;
}

function render(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > maxString ? `${value.slice(0, maxString)}…` : value);
    case "function":
      return /^class\b/.test(safely(() => Function.prototype.toString.call(value))) ? "class …" : "() => …";
    case "bigint":
      return `${value}n`;
    case "object":
      return value === null ? "null" : renderObject(value, depth);
    default:
      return String(value);
  }
}

function renderObject(value: object, depth: number): string {
  if (value instanceof Property) return renderProperty(value, depth);
  if (value instanceof LiteralValue) return `literal(${render(value.literal, depth + 1)})`;
  if (value instanceof UnsetValue) return "mkUnset()";
  if (value instanceof Change) return `${changeName(value)}(${render(value.argument, depth + 1)})`;
  if (value instanceof OptionDecl) return "mkOption({…})";
  if ("functor" in value && "description" in value) return `<type ${safely(() => String(value.description))}>`;
  if (value instanceof EachValue) return `mkEach(${render(value.each, depth + 1)})`;
  if (depth >= maxDepth) return Array.isArray(value) ? "[…]" : "{…}";
  if (Array.isArray(value)) {
    const items = firstOf(value).map((i) => renderMember(value, i, depth));
    if (value.length > maxItems) items.push("…");
    return `[${items.join(", ")}]`;
  }
  const all = Object.keys(value);
  const members = all.slice(0, maxItems).map((key) => `${showKey(key)}: ${renderMember(value, key, depth)}`);
  if (all.length > maxItems) members.push("…");
  const tag = className(value);
  return members.length === 0 ? `${tag}{}` : `${tag}{ ${members.join(", ")} }`;
}

/** The indices of the elements that are shown. A list may have lost its methods. */
function firstOf(list: readonly unknown[]): readonly string[] {
  return Array.from({ length: Math.min(list.length, maxItems) }, (_, i) => String(i));
}

function changeName({ kind }: Change): string {
  return kind === "remove" ? "mkRemove" : "mkTransform";
}

/** The name of a class instance and a space; nothing for a plain object. */
function className(value: object): string {
  const name: unknown = safely(() => Object.getPrototypeOf(value)?.constructor?.name);
  return typeof name === "string" && name !== "Object" && name !== "" ? `${name} ` : "";
}

function renderMember(value: object, key: string, depth: number): string {
  const descriptor = Object.getOwnPropertyDescriptor(value, key);
  return descriptor === undefined || descriptor.get !== undefined ? "…" : render(descriptor.value, depth + 1);
}

function renderProperty(value: Property, depth: number): string {
  const content = (): string => render(value.content, depth + 1);
  switch (value.kind) {
    case "if":
      return `mkIf(…, ${content()})`;
    case "define":
      return content();
    default: {
      const name = propertyName(value);
      return name.endsWith("…)") ? name.replace("…)", `${content()})`) : `${name}(${content()})`;
    }
  }
}

/** The same on several lines: one member a line, for the outermost level. */
function renderWide(value: unknown): string {
  if (typeof value !== "object" || value === null || value instanceof Property) return render(value, 1);
  if (Array.isArray(value)) {
    return ["[", ...firstOf(value).map((i) => `  ${renderMember(value, i, 1)},`), "]"].join("\n");
  }
  const members = Object.keys(value).slice(0, maxItems);
  return ["{", ...members.map((key) => `  ${showKey(key)}: ${renderMember(value, key, 1)},`), "}"].join("\n");
}

function showKey(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key);
}

function safely(f: () => string): string {
  return carefully(f, "<unprintable value>");
}
