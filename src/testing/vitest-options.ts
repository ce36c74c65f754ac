/** How vitest runs tests of machines, whoever starts it. */

/** A machine's boot and all that is waited for count as part of a test; emulation may make minutes of it. */
const TEST_TIMEOUT_MS = 1_800_000;

/** Options of vitest for tests that boot machines: much time, and one file after the other. */
export const vitestOptions: readonly string[] = [
  `--testTimeout=${TEST_TIMEOUT_MS}`,
  `--hookTimeout=${TEST_TIMEOUT_MS}`,
  "--no-file-parallelism",
];
