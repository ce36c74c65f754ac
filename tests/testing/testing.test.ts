/** What a test sees of osmod/testing without a machine: keys, messages, machines that do not start. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { defineMachine } from "../../src/index.ts";
import { ProblemError, renderProblems } from "../../src/problems/index.ts";
import { excerpt } from "../../src/testing/failure.ts";
import { GuestError, GuestMachine, machineFixtures } from "../../src/testing/index.ts";
import { keysOf } from "../../src/testing/keys.ts";

describe("keys", () => {
  it.each([
    ["a", ["a"]],
    ["A", ["shift", "a"]],
    ["!", ["shift", "1"]],
    ["-", ["minus"]],
    ["\n", ["ret"]],
    [" ", ["spc"]],
    ["ctrl-alt-delete", ["ctrl", "alt", "delete"]],
    ["enter", ["ret"]],
  ])("%j is pressed as %j", (key, keys) => expect(keysOf(key)).toEqual(keys));
});

describe("a failure", () => {
  it("is a problem whose message has all that a test runner shows", () => {
    const error = new GuestError({
      code: "unit-not-active",
      message: "web: it failed",
      notes: ["a note"],
      fix: "Mend it.",
    });
    expect(error).toBeInstanceOf(ProblemError);
    expect(error.has("unit-not-active")).toBe(true);
    expect(error.message).toBe("web: it failed [unit-not-active]\n  a note\n  fix: Mend it.");
  });

  it("quotes the end of what a console showed, without its colours", () => {
    const text = Array.from({ length: 30 }, (_, i) => `\u001bM\u001b[0;32mline ${i}\u001b[0m\r\n`).join("");
    const [title, ...lines] = excerpt("the console ends with", text);
    expect(title).toBe("the console ends with:");
    expect(lines).toHaveLength(20);
    expect(lines.at(-1)).toBe("    line 29");
    expect(excerpt("nothing", " \n")).toEqual([]);
  });
});

describe("a machine", () => {
  const codeOf = async (work: Promise<unknown>) => {
    const error = await work.catch((reason: unknown) => reason);
    return error instanceof ProblemError ? error.problems[0].code : error;
  };

  it("that does not run is said to be so", async () => {
    const machine = new GuestMachine({ name: "web", launcher: "/none" });
    expect(machine.running).toBe(false);
    expect(await codeOf(machine.succeed("true"))).toBe("machine-not-running");
    expect(await codeOf(machine.start())).toBe("vm-not-started");
    await machine.forceShutdown();
    await machine.shutdown();
  });

  it("is not switched while its test is built", async () => {
    process.env["OSMOD_TEST_LAUNCHERS"] = "";
    const switched = new GuestMachine({ name: "web", launcher: "/none" }).switchTo("machine.ts");
    const error = await switched.catch((reason: unknown) => reason);
    delete process.env["OSMOD_TEST_LAUNCHERS"];
    await expect(`${renderProblems((error as ProblemError).problems)}\n`).toMatchFileSnapshot(
      "expected/switch-in-builder.txt",
    );
  });

  it("without a screen says what to set", async () => {
    const machine = new GuestMachine({ name: "web", launcher: "/none" });
    expect(await codeOf(machine.screenshot("a.png"))).toBe("no-screen");
    expect(await codeOf(machine.sendKey("a"))).toBe("no-screen");
  });

  it("whose launcher gives up passes on what it said", async () => {
    const directory = mkdtempSync(join(tmpdir(), "osmod-launcher-"));
    writeFileSync(join(directory, "launcher"), "#!/bin/sh\necho 'error: no room' >&2\nexit 1\n");
    chmodSync(join(directory, "launcher"), 0o755);
    const machine = new GuestMachine({ name: "web", launcher: join(directory, "launcher") });
    const error = await machine.start().catch((reason: unknown) => reason);
    expect((error as ProblemError).problems[0].notes).toContain("error: no room");
    rmSync(directory, { recursive: true });
  });
});

describe("fixtures", () => {
  it("are one for each machine, for the tests of a file, and boot nothing by themselves", () => {
    const fixtures = machineFixtures({ web: defineMachine({}), client: "client.ts" });
    expect(Object.keys(fixtures)).toEqual(["web", "client"]);
    expect(fixtures.web[1]).toEqual({ scope: "file" });
  });
});
