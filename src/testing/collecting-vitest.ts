/**
 * What stands for vitest while a test file is loaded for the machines that it declares: nothing is tested. Fixtures that live as
 * long as a file are made at its top level, so not even groups of tests have to be entered.
 *
 *     const it = test.extend(machineFixtures({ web }))    machineFixtures is called, and what it gives is ignored
 *     describe("web", () => …), expect(1).toBe(1)         ignored
 *     vi.hoisted(() => 1)                                 1
 */

/** Takes every property, every call, every `new`, and answers itself. */
const inert: unknown = new Proxy(function nothing() {}, {
  // What is awaited must not look like a promise, and what becomes a text must become one.
  get: (_, key) => (key === "then" ? undefined : key === Symbol.toPrimitive ? () => "" : inert),
  apply: () => inert,
  construct: () => inert as object,
});

const vi = new Proxy({}, { get: (_, key) => (key === "hoisted" ? (make: () => unknown) => make() : inert) });

const others =
  "afterAll afterEach aroundAll aroundEach assert assertType beforeAll beforeEach bench BenchmarkRunner chai createExpect describe expect expectTypeOf inject it onTestFailed onTestFinished recordArtifact should suite test TestRunner";

/** The exports of vitest, all idle. */
export const collectingVitest: Readonly<Record<string, unknown>> = {
  ...Object.fromEntries(others.split(" ").map((name) => [name, inert])),
  vi,
  vitest: vi,
};
