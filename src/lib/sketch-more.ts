import { type Problem, ProblemError } from "../problems/index.ts";
import { capture } from "./sketch.ts";
import type * as T from "./typed/index.ts";

export type { Problem };
/** What the module system throws: one or more problems about the configuration. */
export class ConfigError extends ProblemError {
  override readonly name: string = "ConfigError";
}
const none = (): T.AnyModule => ({ spec: {}, pos: capture(none) }) as unknown as T.AnyModule;
/** The option `from` was renamed: its definitions go to `to`, with a warning. */
export function mkRenamedOptionModule(_from: readonly string[], _to: readonly string[]): T.AnyModule { return none(); }
/** The option `from` is another name of `to`. */
export function mkAliasOptionModule(_from: readonly string[], _to: readonly string[]): T.AnyModule { return none(); }
/** The option is gone; defining it is a failed assertion that says what to do instead. */
export function mkRemovedOptionModule(_path: readonly string[], _instead: string): T.AnyModule { return none(); }
/** One definition, and what became of it. */
export interface ExplainedDefinition { readonly file: string; readonly line?: number; readonly value?: string; readonly priority: number; readonly order: number; readonly condition?: string; readonly active: boolean; readonly won: boolean }
/** Why an option has its value. */
export interface Explanation { readonly option: string; readonly type: string; readonly description?: string; readonly declarations: readonly string[]; readonly value?: string; readonly definitions: readonly ExplainedDefinition[] }
/** Say why an option has its value: every definition with its place, priority, condition, and whether it won. */
export function explain(_evaluation: T.Evaluation<unknown>, option: string): Explanation { return { option, type: "", declarations: [], definitions: [] }; }
/** Print an explanation. */
export function renderExplanation(explanation: Explanation): string { return explanation.option; }
