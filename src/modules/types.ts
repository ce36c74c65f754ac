/**
 * Option types that only a machine needs.
 *
 * Packages, derivations and other store objects are opaque to the module system: they are never merged and never looked
 * into. What a module wants of them is their path, which is what they become inside a template string.
 */
import { t } from "../lib/index.ts";
import type { Package } from "../packages/index.ts";
import type { Derivation, StoreObject } from "../store/index.ts";

const hasPath = (value: unknown): boolean =>
  typeof value === "object" && value !== null && typeof (value as { path?: unknown }).path === "string";

/** A package of the package set, for example `pkgs.nginx`. */
export const packageType = t.opaque<Package>("package", hasPath);

/** Something a builder makes, for example what `pkgs.writeText` returns. */
export const derivationType = t.opaque<Derivation>("derivation", hasPath);

/** Anything that stands for a store path: a package, a derivation, a source. */
export const storeObjectType = t.opaque<StoreObject>("store object", hasPath);

/** A file or directory: an absolute path as text, or a store object. Read it as `${value}`. */
export const pathOrObject = t.either(t.path, storeObjectType);

/** Permissions as `chmod` takes them, for example `0644`. */
export const octalMode = t.strMatching("0?[0-7]{3,4}");

/** Name of a user or group, as Debian's tools accept it. */
export const accountName = t.strMatching("[a-zA-Z_][a-zA-Z0-9_.-]*\\$?");

/** A field of `/etc/passwd`: no colon, no line break. */
export const passwdField = t.strMatching("[^:\\n]*");
