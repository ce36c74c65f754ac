/** `npx osmod test`: boots two machines, and cuts the cable between them. */
import { type GuestMachine, machineFixtures } from "osmod/testing";
import { expect, test } from "vitest";
import { client, server } from "./machines.ts";

const it = test.extend<{ server: GuestMachine; client: GuestMachine }>(machineFixtures({ server, client }));

it("brings the news from one machine to the other", async ({ server, client }) => {
  await Promise.all([server.waitForUnit("nginx.service"), client.waitForUnit("multi-user.target")]);
  await client.waitUntilSucceeds("systemctl start news");
  expect(await client.succeed("cat /var/lib/news/page")).toBe("the news of today\n");
});

it("keeps the old news while the network is down", async ({ server, client }) => {
  await server.block();
  await client.fail("systemctl start news");
  expect(await client.succeed("cat /var/lib/news/page")).toBe("the news of today\n");
});

it("goes on when the network is back", async ({ server, client }) => {
  await server.unblock();
  await client.succeed("rm /var/lib/news/page");
  await client.waitUntilSucceeds("systemctl start news");
  expect(await client.succeed("cat /var/lib/news/page")).toBe("the news of today\n");
});
