/**
 * The options that every scope has besides the declared ones, below `_module`: arguments for module functions, whether
 * unknown options are a problem, and the type of those that are not.
 */

import { nullOr } from "../types/choices.ts";
import { lazyAttrsOf } from "../types/containers.ts";
import { raw } from "../types/free.ts";
import { bool, optionType } from "../types/scalar.ts";
import { OptionDecl } from "./option.ts";
import { unknownOrigin } from "./origin.ts";
import { GroupSchema } from "./schema.ts";

/** The schema of `_module`. */
export const internalSchema: GroupSchema = new GroupSchema([
  {
    origin: unknownOrigin,
    tree: {
      args: new OptionDecl({
        type: lazyAttrsOf(raw),
        internal: true,
        description: "Further arguments of module functions.",
      }),
      specialArgs: new OptionDecl({
        type: raw,
        readOnly: true,
        internal: true,
        description: "The arguments of module functions that are known before any module is.",
      }),
      check: new OptionDecl({
        type: bool,
        default: true,
        internal: true,
        description: "Whether unknown options are a problem.",
      }),
      freeformType: new OptionDecl({
        type: nullOr(optionType),
        default: null,
        internal: true,
        description: "The type of definitions that belong to no option.",
      }),
    },
  },
]);
