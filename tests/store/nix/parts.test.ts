/** What is pure in the store of Nix: where it lies, and what its words mean. */
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ProblemError } from "../../../src/problems/index.ts";
import { type BuildEvent, StoreScope } from "../../../src/store/index.ts";
import { NixEvents } from "../../../src/store/nix/events.ts";
import { problemsOf } from "../../../src/store/nix/failures.ts";
import { rootOf } from "../../../src/store/nix/place.ts";
import { parseRegistrations } from "../../../src/store/nix/registration.ts";

const scope = new StoreScope();
const built = scope.derivation({ name: "built", system: "x86_64-linux", builder: "/bin/sh" });
const fetched = scope.derivation({
  name: "file.deb",
  system: "builtin",
  builder: "builtin:fetchurl",
  env: { url: "http://mirror.example/file.deb" },
  fixedOutput: { algo: "sha256", hash: "0".repeat(64), mode: "flat" },
});
const byDrvPath = new Map([built, fetched].map((drv) => [drv.drvPath, drv]));

describe("where Nix's store lies", () => {
  const env = { NIX_STATE_DIR: "/nix/var/nix" };

  it.each([
    ["auto", "/"],
    ["", "/"],
    ["daemon", "/"],
    ["local", "/"],
    ["unix:///run/nix.sock", "/"],
    ["local?root=/srv/nix", "/srv/nix"],
    ["local?root=/srv/my%20nix&state=/x", "/srv/my nix"],
    ["local?real=/srv/nix/nix/store", "/srv/nix"],
    ["/srv/nix", "/srv/nix"],
    ["./nix", join(process.cwd(), "nix")],
  ])("%j is at %s", (setting, root) => expect(rootOf(setting, env)).toBe(root));

  it.each(["ssh://host", "https://cache.example", "s3://bucket", "local?real=/srv/objects", "local?root=%zz"])(
    "%j has no place here",
    (setting) => {
      expect(() => rootOf(setting, env)).toThrow(ProblemError);
      expect(() => rootOf(setting, env)).toThrow(/cannot hold machines/);
    },
  );
});

describe("Nix's lines", () => {
  const read = (lines: readonly unknown[], isMade = true) => {
    const seen: BuildEvent[] = [];
    const events = new NixEvents({ byDrvPath, isMade: () => isMade, onEvent: (event) => seen.push(event) });
    for (const line of lines) events.line(typeof line === "string" ? line : `@nix ${JSON.stringify(line)}`);
    return { seen, events };
  };

  it("become events", () => {
    const { seen } = read([
      { action: "start", id: 1, type: 105, fields: [built.drvPath, "", 1, 1] },
      { action: "result", id: 1, type: 101, fields: ["\u001b[31mred\u001b[0m"] },
      { action: "stop", id: 1 },
      { action: "start", id: 2, type: 105, fields: [fetched.drvPath, "", 1, 1] },
      { action: "start", id: 3, type: 101, fields: ["http://mirror.example/file.deb"] },
      { action: "result", id: 3, type: 105, fields: [10, 0, 0, 0] },
      { action: "result", id: 3, type: 105, fields: [20, 40, 0, 0] },
      { action: "start", id: 4, type: 108, fields: [built.path, "https://cache.example"] },
    ]);
    expect(seen.map(({ type }) => type)).toEqual([
      "start",
      "log",
      "done",
      "start",
      "fetch-progress",
      "fetch-progress",
      "substitute",
    ]);
    expect(seen[1]).toMatchObject({ line: "red" });
    expect(seen[4]).not.toHaveProperty("total");
    expect(seen[5]).toMatchObject({ received: 20, total: 40 });
  });

  it("of a machine that tells of the same builder, too, are told once", () => {
    const start = { action: "start", type: 105, fields: [built.drvPath, "", 1, 1] };
    const { seen } = read([
      { ...start, id: 1 },
      { ...start, id: 2 },
      { action: "result", id: 2, type: 101, fields: ["line"] },
      { action: "stop", id: 2 },
      { action: "stop", id: 1 },
    ]);
    expect(seen.map(({ type }) => type)).toEqual(["start", "log", "done"]);
  });

  it("tell of machines that do not answer, with the words of ssh", () => {
    const { seen, events } = read([
      "Host key verification failed.\r",
      { action: "msg", level: 0, msg: "cannot build on 'ssh-ng://builder': error: unexpected end-of-file" },
    ]);
    expect(seen).toMatchObject([
      {
        type: "machine-refused",
        machine: "ssh-ng://builder",
        problem: { message: "Nix cannot build on ssh-ng://builder: Host key verification failed." },
      },
    ]);
    expect(events.errors).toEqual([]);
  });

  it("that are not known are passed over", () => {
    const odd = [
      "",
      "@nix ",
      "@nix {",
      "@nix 7",
      "@nix null",
      { action: "start" },
      { action: "result", id: 9, type: 101 },
    ];
    expect(read([...odd, { action: "stop", id: 12 }]).seen).toEqual([]);
  });

  it("tell of failures", () => {
    const { seen, events } = read(
      [
        { action: "start", id: 1, type: 105, fields: [built.drvPath] },
        { action: "stop", id: 1 },
        { action: "msg", level: 0, msg: "\u001b[31;1merror:\u001b[0m it failed" },
        { action: "msg", level: 3, msg: "not this" },
        "error: nor with JSON",
      ],
      false,
    );
    expect(seen.map(({ type }) => type)).toEqual(["start", "fail"]);
    expect(events.errors).toEqual(["error: it failed", "error: nor with JSON"]);
  });
});

describe("Nix's errors", () => {
  const codes = (...messages: string[]) => problemsOf(messages, { byDrvPath, logs: new Map() });

  it("are told once for each cause", () => {
    const found = codes(
      `error: builder for '${built.drvPath}' failed with exit code 2`,
      `error: 1 dependencies of derivation '/nix/store/x.drv' failed to build`,
      `error: build of '/nix/store/x.drv' failed`,
    );
    expect(found.map(({ code }) => code)).toEqual(["builder-failed"]);
    expect(found[0].message).toBe("the builder of built failed with exit code 2");
  });

  it("are understood as later Nixes word them", () => {
    const found = codes(
      `error: Cannot build '${built.drvPath}'.\n       Reason: builder failed with exit code 1.\n       Output paths: …`,
      `error: Cannot build '/nix/store/x.drv'.\n       Reason: 1 dependency failed.`,
    );
    expect(found.map(({ code, message }) => [code, message])).toEqual([
      ["builder-failed", "the builder of built failed with exit code 1"],
    ]);
  });

  it("are those of the machine that built, with what it is not known by here", () => {
    const there = (why: string) =>
      codes(
        `error: build of '${built.drvPath}' on 'ssh://builder' failed: ${why}`,
        `error: builder for '${built.drvPath}' failed with exit code 1`,
      ).map(({ code, message, notes }) => [code, message, notes[0]]);
    expect(there(`builder for '${built.drvPath}' failed with exit code 7`)).toEqual([
      ["builder-failed", "the builder of built failed with exit code 7", "on ssh://builder"],
    ]);
    expect(there("error: the disk is full")).toEqual([
      ["nix-failed", "Nix failed (building built): the disk is full", "on ssh://builder"],
    ]);
  });

  it("tell of the machine when it, and not the builder, failed", () => {
    const lost = (words: string, log: string[] = []) => {
      const [{ code, message, notes }] = problemsOf(
        [`error: ${words}`, `error: builder for '${built.drvPath}' failed with exit code 1`],
        { byDrvPath, logs: new Map([[built.drvPath, log]]), machines: new Map([[built.drvPath, "ssh://builder"]]) },
      );
      return { code, message, notes };
    };
    const distrusts = {
      code: "build-machine-distrusts",
      message: "ssh://builder does not build for the user whom ssh logs in there",
    };
    const denied = "you are not privileged to build input-addressed derivations";
    expect(lost(denied)).toMatchObject(distrusts);
    expect(lost("unexpected end-of-file", [`error: ${denied}`])).toMatchObject(distrusts);
    expect(lost("unexpected end-of-file", ["half"])).toEqual({
      code: "nix-failed",
      message: "Nix failed (building built on ssh://builder): unexpected end-of-file",
      notes: ["> half"],
    });
  });

  it("say what nobody can build", () => {
    const needs = (features: string) =>
      `Failed to find a machine for remote build!\nderivation: ${basename(built.drvPath)}\nrequired (system, features): (x86_64-linux, ${features})\n1 available machines:\n(systems, maxjobs, supportedFeatures, mandatoryFeatures)\n(x86_64-linux, 2, , )`;
    const idle = "error: unable to start any build; remote machines may not have all required system features.";
    expect(codes(needs("kvm, big"), idle).map(({ code, message }) => [code, message])).toEqual([
      ["build-feature-missing", "built needs a x86_64-linux with kvm, big, and Nix knows none"],
    ]);
    expect(codes(needs(""), idle)[0].message).toBe("built needs a x86_64-linux, and Nix knows none");
    // Another machine took it in the end, and something else failed.
    expect(codes(needs("kvm"), "error: the moon is full")[0]).toMatchObject({ code: "nix-failed" });
  });

  it("distinguish a file that is gone from a network that fails", () => {
    const failed = (why: string) =>
      codes(
        `error: builder for '${fetched.drvPath}' failed with exit code 1;\n  > error: unable to download 'http://mirror.example/file.deb': ${why}`,
      )[0];
    expect(failed("HTTP error 404").code).toBe("fetch-not-found");
    expect(failed("Could not resolve host").code).toBe("fetch-failed");
  });

  it("are quoted when they are not known", () => {
    const [found] = codes("error: the moon is full", "error: build of '/nix/store/x.drv' failed");
    expect(found).toMatchObject({ code: "nix-failed" });
    expect(found.message).toContain("the moon is full");
    expect(codes()[0].code).toBe("nix-failed");
  });
});

describe("Nix's registrations", () => {
  const [a, b] = [`/nix/store/${"0".repeat(32)}-a`, `/nix/store/${"1".repeat(32)}-b`];
  const hash = "a".repeat(64);

  it("are read", () => {
    const text = [a, hash, "120", "", "0", b, hash, "240", `${b}.drv`, "2", b, a, ""].join("\n");
    expect(
      parseRegistrations(text, () => 7).map(({ path, references, deriver }) => [path, references, deriver]),
    ).toEqual([
      [a, [], undefined],
      [b, [a, b], `${b}.drv`],
    ]);
  });

  it.each([`${a}\n${hash}\nx\n\n0\n`, `${a}\n${hash}\n1\n\n9\n${b}\n`, "nonsense\n"])("are refused: %j", (text) => {
    expect(() => parseRegistrations(text, () => 0)).toThrow(ProblemError);
  });
});
