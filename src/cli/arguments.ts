/** Command-line arguments: node's own parser, our own words when something does not fit. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { fail } from "../problems/index.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** What a verb takes; `usage` is its first help line, `details` the rest. */
export interface Syntax<O extends Options> {
  readonly usage: string;
  readonly details: readonly string[];
  readonly options: O;
}

type Parsed<O extends Options> = ReturnType<typeof parseArgs<{ options: O; allowPositionals: true }>>;

/**
 * Parse a verb's arguments. `--help` prints the verb's help and gives `undefined`.
 *
 * Problem: `usage`, with the verb's own usage line as the way out.
 */
export function parse<const O extends Options>(syntax: Syntax<O>, argv: readonly string[]): Parsed<O> | undefined {
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(`usage: ${syntax.usage}\n\n${syntax.details.map((line) => `  ${line}`).join("\n")}\n`);
    return undefined;
  }
  try {
    return parseArgs({ args: [...argv], options: syntax.options, allowPositionals: true });
  } catch (cause) {
    fail({ code: "usage", message: cause instanceof Error ? cause.message : String(cause), fix: syntax.usage }, cause);
  }
}

/** A whole number from an option, or a `usage` problem that names the option. */
export function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) {
    fail({
      code: "usage",
      message: `--${name} takes a whole number from ${least}, and got ${JSON.stringify(text)}`,
      fix: `for example: --${name} ${Math.max(least, 2)}`,
    });
  }
  return value;
}
