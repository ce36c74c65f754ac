/**
 * Calls of the library with arguments that it cannot use: a problem at the line of the call.
 *
 * The compiler refuses most such calls. What is left is plain JavaScript, data that was cast to a type, and objects that
 * throw when they are looked at.
 */
import { ProblemError, problem } from "../../problems/index.ts";
import { type ConfigError, configError } from "../config-error.ts";
import { carefully, isList, messageOf } from "./careful.ts";
import { Origin } from "./origin.ts";
import { kindOf, print } from "./print.ts";

/** Insist on an argument being what it has to be; `wanted` is what that is, with an article. */
export function expecting(isRight: boolean, call: string, wanted: string, got: unknown): void {
  if (!isRight) throw callInvalid(call, wanted, got);
}

/** Insist on the path of an option: its names, not the text that they make. */
export function expectingPath(call: string, path: unknown): void {
  const isPath = carefully(() => isList(path) && path.every((name) => typeof name === "string"), false);
  expecting(isPath, call, 'a path as a list of names, ["services", "web"]', path);
}

/** Insist on a function. */
export function expectingFunction(call: string, f: unknown): void {
  expecting(typeof f === "function", call, "a function", f);
}

function callInvalid(call: string, wanted: string, got: unknown): ConfigError {
  return configError(
    problem({
      code: "call-invalid",
      message: `${call} takes ${wanted}, not ${kindOf(got)}`,
      sites: [Origin.ofCaller().site({ value: print(got), label: "called here" })],
      fix: `give ${call} ${wanted}.`,
    }),
  );
}

/** Make a call; what is thrown because an argument cannot be read becomes a problem. */
export function inCall<T>(call: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    throw carefully(() => error instanceof ProblemError, false) ? error : callFailed(call, error);
  }
}

function callFailed(call: string, error: unknown): ConfigError {
  return configError(
    problem({
      code: "call-invalid",
      message: `${call} cannot use what it was given: ${messageOf(error, print)}`,
      sites: [Origin.ofCaller().site({ label: "called here" })],
      fix: `correct the arguments of ${call}; what they threw is the cause of this error.`,
    }),
    error,
  );
}

/** The place that a file's name stands for. */
export function fileOrigin(call: string, file: unknown, line?: number): Origin {
  expecting(typeof file === "string", call, "the name of a file", file);
  return new Origin(file as string, line);
}

/** Put `inCall` around the functions of an object and of the objects in it, whose names are `name.…`. */
export function guardCalls(name: string, functions: object): void {
  for (const [key, member] of Object.entries(functions) as [string, unknown][]) {
    const call = `${name}.${key}`;
    if (typeof member === "function") {
      const guarded = (...args: unknown[]): unknown => inCall(call, () => member(...args) as unknown);
      Object.assign(functions, { [key]: guarded });
    } else if (key === "ints" || key === "numbers") guardCalls(call, member as object);
  }
}
