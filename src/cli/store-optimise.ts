/** `osmod store optimise`: let equal files take their place once. */
import { parse } from "./arguments.ts";
import { count, printJson, size, theStore, ticker } from "./open-store.ts";
import type { Verb } from "./verbs.ts";

/** Join equal files, and say what became free. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(
    {
      usage: "osmod store optimise [--json]",
      details: ["Equal files become one file with several names (hard links).", "", "--json    bytes instead of words"],
      options: { json: { type: "boolean", default: false } },
    },
    argv,
  );
  if (parsed === undefined) return 0;
  const line = ticker();
  const onProgress = (done: number, total: number) => line.say(`[${done}/${total}] files compared`);
  const result = await theStore()
    .optimise({ signal, onProgress })
    .finally(() => line.end());
  if (parsed.values.json) printJson(result);
  else {
    process.stdout.write(
      `${count(result.files, "file")} looked at, ${count(result.joined, "file")} joined, ${size(result.freed)} free\n`,
    );
  }
  return 0;
};
