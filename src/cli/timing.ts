/** Where a command's time goes, printed on stderr when OSMOD_TIMING is set: one line a phase, in milliseconds. */

const enabled = process.env["OSMOD_TIMING"] !== undefined;
let last = 0;

/** End a phase that began at the previous call, or at the process's start. */
export function phase(name: string): void {
  if (!enabled) return;
  const now = performance.now();
  process.stderr.write(`${name} ${Math.round(now - last)} ms\n`);
  last = now;
}
