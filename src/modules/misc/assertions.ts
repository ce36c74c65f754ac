/**
 * Assertions and warnings: what modules check about the finished configuration.
 *
 * A failed assertion stops the machine from being built; all failed ones are reported together, when
 * `system.build.toplevel` is asked for. Warnings are shown by the commands and stop nothing.
 */
import { assertionOptions, defineModule } from "../../lib/index.ts";
import type { Std } from "../index.ts";

export { type Assertion, checkAssertions } from "../../lib/index.ts";

export const options = assertionOptions;

export default defineModule<Std>({ key: "misc/assertions", options });
