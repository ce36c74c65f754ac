/** The process of fork-server.ts: runs what it is told to, until nobody tells it any more. */
import type { Order, Report } from "./fork-server.ts";
import { supervise } from "./supervise.ts";

const running = new Map<number, AbortController>();

process.on("message", (order: Order) => {
  const { id } = order;
  if ("kill" in order) {
    running.get(id)?.abort();
    return;
  }
  const stop = new AbortController();
  running.set(id, stop);
  const report = (what: Report): void => {
    running.delete(id);
    if (process.connected) process.send?.(what);
  };
  supervise(order.start, stop.signal).then(
    (ended) => report({ id, ended }),
    ({ code, message }: NodeJS.ErrnoException) => report({ id, code, message }),
  );
});

// Whoever told it has ended, or was killed: so do all builders.
process.on("disconnect", () => {
  for (const stop of running.values()) stop.abort();
});
