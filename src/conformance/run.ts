/**
 * Running cases one by one: what every kind of conformance reports.
 */
import { readFileSync } from "node:fs";

/** How a file of cases went. */
export interface Result {
  readonly passed: number;
  readonly failed: readonly Failure[];
}
/** A case that failed, and how. */
export interface Failure {
  readonly id: string;
  readonly difference: string;
}

/** Parse a file. */
export function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}

/** Check each case; one that throws has failed. */
export function runCases<C extends { readonly id?: string }>(
  cases: readonly C[],
  check: (item: C) => string | undefined,
): Result {
  const failed = cases.flatMap((item, i): Failure[] => {
    const difference = attempt(() => check(item));
    return difference === undefined ? [] : [{ id: item.id ?? String(i), difference }];
  });
  return { passed: cases.length - failed.length, failed };
}

function attempt(check: () => string | undefined): string | undefined {
  try {
    return check();
  } catch (error) {
    return `crashed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}
