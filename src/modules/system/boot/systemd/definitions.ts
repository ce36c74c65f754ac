/**
 * What one element of an attribute set of submodules may be defined as. Helpers that return definitions for
 * `environment.etc` or `systemd.units` name this type, since their results have no place to take it from.
 */
import type { AttrsOf, Defs, Option, Submodule } from "../../../../lib/index.ts";
import type { options as etc } from "../../etc/etc.ts";

/** Definitions of one element of the option `O`, whose type is `attrsOf(submodule(…))`. */
export type ElementOf<O> = O extends Option<AttrsOf<Submodule<infer T>>> ? Defs<T> : never;

/** A definition of one file of `environment.etc`. */
export type EtcFile = ElementOf<(typeof etc)["environment"]["etc"]>;
