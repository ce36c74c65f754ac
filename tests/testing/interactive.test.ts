/** The prompt in the middle of a test, over the socket that `osmod test --interactive` lends its terminal by. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GuestMachine } from "../../src/testing/index.ts";
import { interact } from "../../src/testing/interactive.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "osmod-terminal-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

it("has the machines as variables, waits for what they answer, and lets the test go on", async () => {
  let shown = "";
  let terminal: Socket | undefined;
  const server = createServer((socket) => {
    terminal = socket;
    socket.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, "terminal"), resolve));
  vi.stubEnv("OSMOD_TEST_INTERACTIVE", join(directory, "terminal"));
  const over = interact({ web: new GuestMachine({ name: "web", launcher: "/none" }) });
  const until = (text: string) => vi.waitFor(() => expect(shown).toContain(text), { timeout: 10_000 });
  await until("test> ");
  expect(shown).toContain("The machines of the test are up: web.");
  terminal?.write("await Promise.resolve(web.name + '-' + web.running)\n");
  await until("'web-false'");
  terminal?.write("await web.succeed('true')\n");
  await until("web does not run [machine-not-running]");
  terminal?.write(".console nobody\n");
  await until("There is no machine nobody; there are web.");
  terminal?.write(".exit\n");
  await over;
  server.close();
});

it("is not there when nobody lends a terminal", async () => {
  vi.stubEnv("OSMOD_TEST_INTERACTIVE", "");
  await interact({});
});
