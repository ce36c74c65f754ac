/**
 * `npm run test:crash`: builds that are killed or run out of disk at random moments, 200 times, or as often as
 * OSMOD_CRASH_ROUNDS says.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { status } = spawnSync(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", "--project", "unit", "tests/store/crash.test.ts"],
  { cwd: root, stdio: "inherit", env: { OSMOD_CRASH_ROUNDS: "200", ...process.env } },
);
process.exitCode = status ?? 1;
