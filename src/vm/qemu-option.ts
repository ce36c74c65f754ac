/**
 * How QEMU writes options: `driver,key=value,key=value`.
 *
 * A comma ends a value, and a doubled comma stands for one. This file is the only place that knows it, so a path with
 * a comma in it is as good as any other.
 *
 *     qemuOption("user", { id: "net", hostfwd: ["tcp::80-:80", "tcp::22-:22"] })
 *     → user,id=net,hostfwd=tcp::80-:80,hostfwd=tcp::22-:22
 */
import { type Part, type Word, word } from "./template.ts";

/** A value: text, a number, a switch, something known at start-up, or a mixture. Absent values leave the key out. */
export type QemuValue = string | number | boolean | Part | readonly Part[] | undefined;

/** Double the commas. */
export function escapeQemuValue(value: string): string {
  return value.replaceAll(",", ",,");
}

/** An option group; a key that may be repeated takes a list of `QemuValue`s through {@link repeated}. */
export function qemuOption(driver: string | undefined, values: Readonly<Record<string, QemuValue | Repeated>>): Word {
  const parts: Part[] = driver === undefined ? [] : [driver];
  for (const [key, value] of Object.entries(values)) {
    const list = value instanceof Repeated ? value.values : [value];
    for (const one of list) {
      if (one === undefined) continue;
      parts.push(`${parts.length === 0 ? "" : ","}${key}=`, ...valueParts(one));
    }
  }
  return word(...parts);
}

/** Several values of one key. */
export function repeated(values: readonly QemuValue[]): Repeated {
  return new Repeated(values);
}

class Repeated {
  readonly values: readonly QemuValue[];
  constructor(values: readonly QemuValue[]) {
    this.values = values;
  }
}

function valueParts(value: NonNullable<QemuValue>): readonly Part[] {
  if (typeof value === "boolean") return [value ? "on" : "off"];
  if (typeof value === "number") return [String(value)];
  const parts: readonly Part[] = Array.isArray(value) ? (value as readonly Part[]) : [value as Part];
  return parts.map((part) => (typeof part === "string" ? escapeQemuValue(part) : { ...part, escaped: true }));
}
