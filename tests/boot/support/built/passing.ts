/** `../../build-test.test.ts` has this run in a builder. */
import { type GuestMachine, machineFixtures, outputDirectory } from "osmod/testing";
import { expect, test } from "vitest";
import { small } from "./machine.ts";

const it = test.extend<{ small: GuestMachine }>(machineFixtures({ small }));

it("is up", async ({ small }) => {
  expect(await small.succeed("cat /etc/hostname")).toBe("small\n");
  await small.copyFromMachine("/etc/hostname", `${outputDirectory()}/hostname`);
});
