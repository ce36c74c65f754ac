/**
 * The parts of one embedded store that its operations share.
 */

import type { StorePath } from "../path.ts";
import { Infos } from "./infos.ts";
import { type Layout, physicalPath } from "./layout.ts";
import { Locks } from "./locks.ts";
import { Temporaries } from "./temporaries.ts";

/** One open store. */
export interface State {
  readonly layout: Layout;
  readonly infos: Infos;
  readonly locks: Locks;
  readonly temporaries: Temporaries;
  /** What was made and may not be on the disk yet (durable.ts). */
  readonly made: Set<StorePath>;
  /** Where a store path lies on this machine. */
  physical(path: string): string;
}

/** The state of the store at a layout; touches nothing. */
export function openState(layout: Layout): State {
  return {
    layout,
    infos: new Infos(layout),
    locks: new Locks(layout),
    temporaries: new Temporaries(layout),
    made: new Set(),
    physical: (path) => physicalPath(layout, path),
  };
}
