/**
 * Machines: the standard modules and `virtualisation` together, and how one is evaluated.
 */
import {
  type AnyModule,
  defineModule,
  type Evaluation,
  evalModules,
  type Kit,
  type Module,
  using,
} from "../lib/index.ts";
import { type Std, standardModules } from "../modules/index.ts";
import type { PackageSet } from "../packages/index.ts";
import { virtualisation } from "./module.ts";
import type { options } from "./options.ts";
import { vmVariant } from "./vm-variant.ts";

/** The scope of a machine: everything that its modules can read and define. */
export interface Machine extends Omit<Std, "networking" | "system"> {
  readonly networking: Std["networking"] & typeof options.networking;
  readonly system: Std["system"] & typeof options.system;
  readonly virtualisation: typeof options.virtualisation;
}

/** All modules of a machine, as one. */
export const machineModules: Module<Machine> = defineModule<Machine>({
  key: "osmod",
  imports: [standardModules, virtualisation],
});

/**
 * Make the module that a machine's file exports.
 *
 * @example
 * import { defineMachine } from "osmod";
 *
 * export default defineMachine({ config: { networking: { hostName: "web" } } });
 */
export const defineMachine: Kit<Machine>["defineModule"] = using(machineModules).defineModule;

/** Evaluate a machine. Nothing is built and nothing is fetched: `config.system.build.vm` is a derivation. */
export function evalMachine(
  modules: AnyModule | readonly AnyModule[],
  { pkgs }: { readonly pkgs: PackageSet },
): Evaluation<Machine> {
  const list: readonly AnyModule[] = Array.isArray(modules) ? modules : [modules as AnyModule];
  return evalModules({ modules: [machineModules, ...list], specialArgs: { pkgs } }) as Evaluation<Machine>;
}

/** The evaluation of a machine's virtual machine: the same modules, the variant, and `virtualisation.vmVariant`. */
export function vmOf(evaluation: Evaluation<Machine>): Evaluation<Machine> {
  return evaluation.extendModules({ modules: [vmVariant, ...evaluation.config.virtualisation.vmVariant] });
}
