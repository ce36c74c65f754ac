/** How the command prints problems. */
import type { RenderOptions } from "../problems/index.ts";

/** In colour on a terminal, unless `NO_COLOR` is set; all of many with `OSMOD_ALL_PROBLEMS=1`. */
export function renderOptions(): RenderOptions {
  return {
    color: process.stderr.isTTY === true && process.env["NO_COLOR"] === undefined,
    all: process.env["OSMOD_ALL_PROBLEMS"] === "1",
    allBy: "OSMOD_ALL_PROBLEMS=1",
  };
}
