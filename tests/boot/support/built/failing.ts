/** `../../build-test.test.ts` has this run in a builder, and wants it to fail. */
import { type GuestMachine, machineFixtures } from "osmod/testing";
import { test } from "vitest";
import { small } from "./machine.ts";

const it = test.extend<{ small: GuestMachine }>(machineFixtures({ small }));

it("fails", async ({ small }) => {
  await small.succeed("echo the reason >&2; exit 7");
});
