/**
 * Types of the values that unit files hold.
 *
 * A directive is a boolean, a number or a text; a list writes the directive once for every element; `null` leaves it
 * out. systemd gives an empty text a meaning of its own: it clears what came before, so `["", "/bin/x"]` in a drop-in
 * replaces the packaged command instead of adding to it.
 */
import { t } from "../../../../lib/index.ts";

const scalar = t.oneOf([t.bool, t.int, t.float, t.str]);

/** A directive of a unit file: a scalar, a list of scalars, or `null` for "not set". */
export const directive = t.nullOr(t.either(scalar, t.listOf(scalar)));

/** A directive as it is read. */
export type Directive = null | boolean | number | string | readonly (boolean | number | string)[];

/** A section of a unit file: directives by name. */
export type Section = { readonly [directive: string]: Directive };

/** One text, or several. */
export const texts = t.nullOr(t.either(t.str, t.listOf(t.str)));

/** A boolean or one of systemd's own words. */
export const flagOr = <const E extends readonly string[]>(words: E) => t.nullOr(t.either(t.bool, t.enum(words)));

/** A number of seconds, or a time span such as `1min 30s`. */
export const timeSpan = t.nullOr(t.either(t.int, t.str));

const unitSuffixes = "service|socket|device|mount|automount|swap|target|path|timer|scope|slice";

/** The full name of a unit, for example `nginx.service`. */
export const unitName = t.strMatching(`[a-zA-Z0-9@%:_.\\\\-]+\\.(${unitSuffixes})`);
