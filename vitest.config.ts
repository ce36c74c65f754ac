import { defineConfig } from "vitest/config";

/**
 * Three projects: `unit` runs in seconds and needs nothing from outside but the shared vectors; `archive` compares the
 * resolver with apt on Debian's whole archive, which takes a minute or two of apt's time; `boot` builds real packages and
 * boots real machines, one file at a time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["tests/**/*.test.ts"],
          exclude: ["tests/boot/**"],
          // A launcher of stand-ins takes a second; on a busy machine, many.
          testTimeout: 60_000,
          typecheck: { enabled: true, include: ["tests/**/*.test-d.ts"], tsconfig: "tsconfig.json" },
        },
      },
      {
        test: {
          name: "archive",
          include: ["tests/packages/apt.test.ts"],
          env: { OSMOD_TEST_ARCHIVE: "1" },
        },
      },
      {
        test: {
          name: "boot",
          include: ["tests/boot/**/*.test.ts"],
          globalSetup: ["tests/boot/setup.ts"],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
