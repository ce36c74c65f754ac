/**
 * Types of paths. A path is text; things that lie in the store are given as themselves and read as their path.
 */
import type { Def } from "../core/definition.ts";
import { flat } from "../core/json-schema.ts";
import { definitionConflict } from "../core/problems.ts";
import { makeType, type Type } from "../core/type.ts";

/** What `pathWith` takes. */
export interface PathSettings {
  /** Whether paths begin with a slash; `undefined` leaves it open. */
  readonly absolute?: boolean | undefined;
  /** Whether paths lie in `/nix/store`; `undefined` leaves it open. */
  readonly inStore?: boolean | undefined;
}

/** Paths of one kind. */
export function pathWith({ absolute, inStore }: PathSettings = {}): Type {
  if (inStore === true && absolute === false) throw new TypeError("a path in the store is an absolute one");
  const check = (value: unknown): boolean => {
    // What must not lie in the store is never a thing of the store.
    const text = inStore === false && typeof value !== "string" ? undefined : pathOf(value);
    return (
      text !== undefined &&
      (absolute === undefined || absolute === text.startsWith("/")) &&
      (inStore === undefined || inStore === storePath.test(text))
    );
  };
  const kind = absolute === undefined ? "" : absolute ? "absolute " : "relative ";
  const place = inStore === undefined ? "" : inStore ? " in the Nix store" : " not in the Nix store";
  const type: Type = makeType({
    name: "path",
    description: `${kind}path${place}`,
    descriptionClass: "noun",
    isEager: (value) => typeof value === "string",
    check,
    schema: flat({ type: "string", ...patterns(absolute, inStore) }),
    merge: (at, defs) => {
      const paths = defs.map((def) => pathOf(def.value));
      const other = paths.findIndex((found) => found !== paths[0]);
      if (other > 0) throw definitionConflict(at.loc, [defs[0] as Def, defs[other] as Def]);
      return paths[0];
    },
    functor: {
      name: "path",
      payload: `${absolute} ${inStore}`,
      combine: (own, payload) => (own === payload ? type : undefined),
    },
  });
  return type;
}

const storePath = /^\/nix\/store\/[^./][^/]*/;

function patterns(absolute: boolean | undefined, inStore: boolean | undefined): object {
  const start = absolute === undefined ? undefined : absolute ? "^/" : "^(?!/)";
  if (inStore === undefined) return start === undefined ? {} : { pattern: start };
  const place = inStore ? storePath.source : `^(?!${storePath.source.slice(1)})`;
  return start === undefined || inStore ? { pattern: place } : { allOf: [{ pattern: start }, { pattern: place }] };
}

/** An absolute path. */
export const path: Type = pathWith({ absolute: true });
/** A path in the store. */
export const pathInStore: Type = pathWith({ inStore: true });
/** An absolute path outside of the store. */
export const externalPath: Type = pathWith({ absolute: true, inStore: false });

/** The text of a path or of something that has one; store objects say theirs when converted to text. */
function pathOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : hasPath(value) ? String(value) : undefined;
}

function hasPath(value: unknown): boolean {
  return typeof value === "object" && value !== null && "path" in value && typeof value.path === "string";
}
