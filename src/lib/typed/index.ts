export type * from "./descriptors.ts";
export type * from "./modules.ts";
