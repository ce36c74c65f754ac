/**
 * Options whose types should no longer be used.
 *
 * A deprecated type works as before, so whoever sets the option is not bothered; whoever declares it is told. Telling is
 * up to who evaluates: the module system prints nothing by itself.
 */
import { evaluated } from "./core/evaluate.ts";
import { names, showPath } from "./core/loc.ts";
import { GroupSchema, OptionSchema } from "./core/schema.ts";
import type { Evaluation } from "./typed/modules.ts";

/**
 * A sentence for each option of an evaluation that has a deprecated type, with the files that declare it. NixOS prints the
 * same while it evaluates the option.
 *
 * @example
 * import { declareOptions, defineModule, deprecationWarnings, evalModules, mkOption, mkOptionType } from "osmod/lib";
 *
 * const old = mkOptionType({ name: "loaOf", deprecationMessage: "Use t.attrsOf instead." });
 * const mine = defineModule({ options: declareOptions({ users: mkOption({ type: old }) }), file: "users.ts" });
 *
 * deprecationWarnings(evalModules({ modules: [mine] })); // ["The type `types.loaOf' of option `users' defined in `users.ts' is deprecated. Use t.attrsOf instead."]
 */
export function deprecationWarnings(evaluation: Evaluation<unknown>): readonly string[] {
  const { root } = evaluated(evaluation, "deprecationWarnings").scope;
  const warnings: string[] = [];
  const visit = (group: GroupSchema, path: readonly string[]): void => {
    for (const [name, child] of group.children) {
      if (child instanceof GroupSchema) visit(child, [...path, name]);
      else if (child instanceof OptionSchema) warnings.push(...warningsOf(child, [...path, name]));
    }
  };
  visit(root.schema, names(root.loc));
  return warnings;
}

function warningsOf({ type, files }: OptionSchema, path: readonly string[]): readonly string[] {
  const { deprecationMessage, name } = type;
  if (deprecationMessage === undefined) return [];
  const where = files.map((file) => `\`${file}'`).join(" and ");
  return [
    `The type \`types.${name}' of option \`${showPath(path)}' defined in ${where} is deprecated. ${deprecationMessage}`,
  ];
}
