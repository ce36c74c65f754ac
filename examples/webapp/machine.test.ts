/** `npx osmod test`: boots the machine beside this file and uses it. */
import { type GuestMachine, machineFixtures } from "osmod/testing";
import { expect, test } from "vitest";
import webapp from "./machine.ts";

const it = test.extend<{ webapp: GuestMachine }>(machineFixtures({ webapp }));

it("answers on port 80 once it is up", async ({ webapp }) => {
  await webapp.waitForUnit("guestbook.service");
  await webapp.waitForUnit("nginx.service");
  await webapp.waitForOpenPort(80);
  expect(await webapp.succeed("curl -fsS http://localhost/")).toBe("");
});

it("keeps what is written into it", async ({ webapp }) => {
  expect(await webapp.succeed("curl -fsS --data-raw 'Was here: ünï' http://localhost/")).toBe("thank you\n");
  await webapp.succeed("systemctl restart guestbook postgresql");
  await webapp.waitForUnit("guestbook.service");
  expect(await webapp.waitUntilSucceeds("curl -fsS http://localhost/")).toBe("Was here: ünï\n");
});

it("does not let other users at its database", async ({ webapp }) => {
  await webapp.succeed("psql --list", { user: "postgres" });
  await webapp.fail("runuser -u nobody -- psql -d guestbook -c 'SELECT 1'");
});

it("has no failed unit", async ({ webapp }) => {
  expect(await webapp.succeed("systemctl --failed --no-legend --plain")).toBe("");
});
