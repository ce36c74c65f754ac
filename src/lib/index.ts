/**
 * The module system: options, definitions, priorities, and the evaluation that merges them.
 */
export * from "./sketch-lib.ts";
export * from "./sketch-more.ts";
export type * from "./typed/descriptors.ts";
export type * from "./typed/modules.ts";
export * as raw from "./raw.ts";
