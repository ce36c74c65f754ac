/**
 * `npm test`: the unit tests, then the tests that build and boot real machines, then one line with the sums.
 *
 *     npm test                 everything
 *     npm test -- --unit       what runs in seconds
 *
 * vitest's JSON report is the source of the counts: a test that did not run is not a test that passed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const projects = process.argv.includes("--unit") ? ["unit"] : ["unit", "archive", "boot"];
const reports = mkdtempSync(join(tmpdir(), "osmod-test-"));
const sum = { passed: 0, failed: 0, skipped: 0 };
let failed = false;
try {
  for (const project of projects) {
    const report = join(reports, `${project}.json`);
    const run = spawnSync(
      process.execPath,
      [
        join(root, "node_modules/vitest/vitest.mjs"),
        "run",
        "--project",
        project,
        "--reporter=default",
        "--reporter=json",
        `--outputFile.json=${report}`,
      ],
      { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
    );
    failed ||= run.status !== 0;
    if (!existsSync(report)) {
      process.stderr.write(`vitest ended with ${run.status ?? run.signal} and without a report of "${project}"\n`);
      failed = true;
      continue;
    }
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, success } = JSON.parse(
      readFileSync(report, "utf8"),
    );
    sum.passed += numPassedTests;
    sum.failed += numFailedTests;
    sum.skipped += numPendingTests + numTodoTests;
    failed ||= success !== true;
  }
} finally {
  rmSync(reports, { recursive: true, force: true });
}
if (failed && sum.failed === 0) sum.failed = 1; // a file that could not be loaded, an error outside of any test
process.stdout.write(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped\n`);
process.exitCode = failed ? 1 : 0;
