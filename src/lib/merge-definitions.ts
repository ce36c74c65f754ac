/**
 * The merging of definitions by itself: one option and what is said about it, without modules around it.
 */
import { setMember } from "./core/definition.ts";
import { evaluate } from "./core/evaluate.ts";
import { ModuleRecord } from "./core/module.ts";
import { OptionDecl } from "./core/option.ts";
import { Property } from "./core/property.ts";
import type { Type } from "./core/type.ts";

/** A definition, and the file it is said to come from. */
export interface FileDefinition {
  readonly file: string;
  readonly value: unknown;
}

/** What comes of an option; everything is computed when it is read. */
export interface EvaluatedOption {
  readonly value: unknown;
  readonly isDefined: boolean;
  readonly highestPrio: number;
  readonly definitions: readonly { readonly value: unknown; readonly at: string }[];
  readonly files: readonly string[];
}

/** Evaluate one option at a path, as modules that define it in this order would have it. NixOS: `evalOptionValue`. */
export function evalOptionValue(
  loc: readonly string[],
  option: OptionDecl,
  defs: readonly FileDefinition[],
): EvaluatedOption {
  const tree = {};
  const name = loc.at(-1) ?? "value";
  setMember(tree, name, option);
  const module = ({ file, value }: FileDefinition): ModuleRecord => {
    const config = {};
    setMember(config, name, new Property("define", value));
    return new ModuleRecord({ file, config });
  };
  // Modules are merged from the last to the first.
  const modules = [new ModuleRecord({ options: tree }), ...defs.map(module).toReversed()];
  const { options } = evaluate({ modules, prefix: loc.slice(0, -1) });
  return (options as Record<string, EvaluatedOption>)[name] as EvaluatedOption;
}

/** The same for a type. NixOS: `mergeDefinitions`. */
export function mergeDefinitions(loc: readonly string[], type: Type, defs: readonly FileDefinition[]): EvaluatedOption {
  return evalOptionValue(loc, new OptionDecl({ type }), defs);
}
