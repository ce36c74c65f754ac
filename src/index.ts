/**
 * osmod: machines as typed modules.
 *
 * This door has what a machine's file needs: the module system, and `defineMachine`. The others go deeper: `osmod/lib`
 * (the module system alone), `osmod/modules`, `osmod/packages`, `osmod/store`, `osmod/vm`.
 */
export * from "./lib/index.ts";
export type { Builders, Package, PackageSet } from "./packages/index.ts";
export { type Problem, ProblemError, renderProblem, renderProblems, type Site } from "./problems/index.ts";
export { defineMachine, evalMachine, type Machine, vmOf } from "./vm/index.ts";
