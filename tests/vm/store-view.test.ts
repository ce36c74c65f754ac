/** The view of the store: the real script in real namespaces, where the host lets one make them. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { extendView, readViewEntries, viewScript } from "../../src/vm/store-view.ts";

const namespaces = spawnSync("unshare", ["--user", "--map-root-user", "--mount", "true"]).status === 0;

let home: string;
let view: ChildProcess | undefined;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "osmod-view-"));
  for (const folder of ["nix/store/aaa-one/bin", "nix/store/bbb-two/bin", "run/view", "run/view.source"])
    mkdirSync(join(home, folder), { recursive: true });
  writeFileSync(join(home, "nix/store/aaa-one/bin/it"), "one");
  writeFileSync(join(home, "nix/store/bbb-two/bin/it"), "two");
  writeFileSync(join(home, "nix/store/ccc-file"), "file");
  writeFileSync(join(home, "view.sh"), viewScript());
  writeFileSync(join(home, "run/store-paths"), "path /nix/store/aaa-one\n");
  spawnSync("mkfifo", [join(home, "run/view.fifo")]);
});
afterEach(() => {
  view?.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

describe.skipIf(!namespaces)("the view of the store", () => {
  it("shows what the list says, and more when asked to, also to who was there before", async () => {
    await start();
    expect(inside("ls")).toBe("aaa-one\n");
    const later = reader();
    expect(await later.ask("ls")).toBe("aaa-one");
    const more = [
      { kind: "path", path: "/nix/store/bbb-two" },
      { kind: "path", path: "/nix/store/aaa-one" },
      { kind: "path", path: "/nix/store/ccc-file" },
      { kind: "link", path: "/nix/store/ddd-link", target: "/nix/store/aaa-one/bin a" },
    ] as const;
    expect(await extendView(join(home, "run"), more)).toBe(3);
    expect(inside("cat bbb-two/bin/it ccc-file; readlink ddd-link")).toBe("twofile/nix/store/aaa-one/bin a\n");
    expect(await later.ask("cat bbb-two/bin/it; echo")).toBe("two");
    expect(await extendView(join(home, "run"), more)).toBe(0);
    expect(readViewEntries(join(home, "run/store-paths"))).toHaveLength(4);
    later.end();
  });

  it("lets nothing be written", async () => {
    await start();
    expect(inside("touch aaa-one/new 2> /dev/null || echo refused")).toBe("refused\n");
    await extendView(join(home, "run"), [{ kind: "path", path: "/nix/store/bbb-two" }]);
    expect(inside("touch bbb-two/new 2> /dev/null || echo refused")).toBe("refused\n");
  });

  it("is a problem when it has ended", async () => {
    await expect(extendView(join(home, "run"), [{ kind: "path", path: "/nix/store/bbb-two" }])).rejects.toThrow(
      /cannot be shown more of the store/,
    );
  });
});

async function start(): Promise<void> {
  const words = ["--user", "--map-root-user", "--mount", "sh", join(home, "view.sh"), home, join(home, "run")];
  const child = spawn("unshare", words, { stdio: ["ignore", "pipe", "inherit"] });
  view = child;
  await new Promise((resolve) => child.stdout.once("data", resolve));
}

const enter = () => [
  "--target",
  readFileSync(join(home, "run/view.pid"), "utf8").trim(),
  "--user",
  "--preserve-credentials",
  "--mount",
];

/** Run a command in the view. */
function inside(command: string): string {
  return spawnSync("nsenter", [...enter(), "sh", "-c", `cd ${join(home, "run/view")} && ${command}`], {
    encoding: "utf8",
  }).stdout;
}

/** A shell in a mount namespace below the view's, as the store's server is. */
function reader(): { ask(command: string): Promise<string>; end(): void } {
  const child = spawn("nsenter", [...enter(), "unshare", "--mount", "--propagation", "slave", "sh"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.write(`cd ${join(home, "run/view")}\n`);
  return {
    ask: (command) =>
      new Promise((resolve) => {
        child.stdout.once("data", (text: Buffer) => resolve(text.toString().trim()));
        child.stdin.write(`${command}\n`);
      }),
    end: () => child.kill("SIGKILL"),
  };
}
