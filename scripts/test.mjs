/**
 * `npm test`: the unit tests, then the tests that build and boot real machines, then what failed once more, in full, and one
 * line with the sums. What failed stands last because a log is read from its end, and often only its end is kept.
 *
 *     npm test                 everything
 *     npm test -- --unit       what runs in seconds
 *
 * vitest's JSON report is the source of the counts: a test that did not run is not a test that passed.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** How much of the end of a run's output is repeated when it failed without a failed test, in characters. */
const TAIL = 6000;

const root = fileURLToPath(new URL("..", import.meta.url));
const projects = process.argv.includes("--unit") ? ["unit"] : ["unit", "archive", "boot"];
const reports = mkdtempSync(join(tmpdir(), "osmod-test-"));
const sum = { passed: 0, failed: 0, skipped: 0 };
/** @type {string[]} */
const failures = [];
try {
  for (const project of projects) {
    const report = join(reports, `${project}.json`);
    const { ended, tail } = await vitest(project, report);
    if (!existsSync(report)) {
      failures.push(`${project}: vitest ended with ${ended} and without a report\n${tail}`);
      continue;
    }
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, success, testResults } = JSON.parse(
      readFileSync(report, "utf8"),
    );
    sum.passed += numPassedTests;
    sum.failed += numFailedTests;
    sum.skipped += numPendingTests + numTodoTests;
    const told = testResults.flatMap(failuresOfFile);
    failures.push(...told.map((text) => `${project}: ${text}`));
    // An error outside of any test, such as a rejection nobody awaited, is in no report.
    if (told.length === 0 && (ended !== 0 || success !== true))
      failures.push(`${project}: vitest ended with ${ended} and no failed test\n${tail}`);
  }
} finally {
  rmSync(reports, { recursive: true, force: true });
}
if (failures.length > 0) {
  if (sum.failed === 0) sum.failed = failures.length;
  process.stdout.write(`\nWhat failed:\n\n${failures.join("\n\n")}\n\n`);
}
process.stdout.write(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped\n`);
process.exitCode = failures.length > 0 ? 1 : 0;

/**
 * Runs a project's tests, with all that they print passed on.
 *
 * @param {string} project
 * @param {string} report the file for vitest's JSON report
 * @returns {Promise<{ended: number | string | null, tail: string}>} how vitest ended, and the end of what it printed
 */
function vitest(project, report) {
  return new Promise((resolve, reject) => {
    let tail = "";
    const child = spawn(
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
      { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
    );
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      from.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
        to.write(text);
        tail = (tail + text).slice(-TAIL);
      });
    }
    child.on("error", reject).on("close", (code, signal) => resolve({ ended: code ?? signal, tail }));
  });
}

/**
 * What failed in a file, each with its messages: its tests, or the file itself when it could not be loaded.
 *
 * @param {any} file an entry of `testResults` in vitest's JSON report
 * @returns {string[]}
 */
function failuresOfFile(file) {
  const name = relative(root, file.name);
  const tests = file.assertionResults.filter((/** @type {any} */ test) => test.status === "failed");
  if (tests.length === 0 && file.status === "failed") return [`${name}\n${file.message}`];
  return tests.map((/** @type {any} */ test) => `${name} > ${test.fullName}\n${test.failureMessages.join("\n")}`);
}
