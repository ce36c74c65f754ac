/** A machine that is reconfigured while it runs: examples/reconfigured, from its first file to its second, on, back, and over a restart. */
import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Installed } from "../helpers/installed.ts";

const home = new Installed("switch");
let directory: string;
let vm: ChildProcess;
/** What its launcher said. */
let said = "";

interface Outcome {
  readonly exitCode: number;
  readonly toplevel: string;
  readonly generation?: { readonly number: number };
  readonly units: Readonly<Record<string, readonly string[]>>;
}

beforeAll(async () => {
  directory = home.copy("examples/reconfigured", "a shop");
  write("broken.ts", "broken: { wantedBy: ['multi-user.target'], script: 'echo no stock left; exit 3' }");
  write("later.ts", "market: { wantedBy: ['multi-user.target'], script: 'exec sleep infinity' }");
  const { code, stderr } = await home.osmod(["build-vm", "first.ts"], { cwd: directory });
  expect(stderr).not.toContain("error");
  expect(code).toBe(0);
  start();
  expect(await guest("systemctl is-system-running --wait")).toBe("running\n");
});

afterAll(() => {
  vm?.kill("SIGKILL");
  home.remove();
});

describe("osmod switch", () => {
  let before: string;
  let outcome: Outcome;

  it("says what it would do, and does nothing, with --dry-activate", async () => {
    const { code, stdout } = await home.osmod(["switch", "second.ts", "--dry-activate"], { cwd: directory });
    expect(code).toBe(0);
    expect(stdout).toContain("would stop the following units: cellar.service");
    expect(stdout).toContain("would reload the following units: prices.service");
    expect(await guest("systemctl is-active cellar")).toBe("active\n");
  });

  it("makes the running machine be another one", async () => {
    before = await guest("systemctl show -P MainPID clock till prices");
    outcome = await change(["switch", "second.ts"]);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.units["failed"]).toEqual([]);
  });

  it("starts what is new, stops what is gone, restarts what changed, reloads what wants to be", async () => {
    expect(outcome.units["started"]).toContain("newsletter.service");
    expect(outcome.units["stopped"]).toContain("cellar.service");
    expect(outcome.units["reloaded"]).toEqual(["prices.service"]);
    expect(await guest("cat /run/greeting /run/prices")).toBe("good evening\ncurrency=florin\n");
    expect(await guest("systemctl is-active newsletter; systemctl is-active cellar || true")).toBe(
      "active\ninactive\n",
    );
  });

  it("leaves alone what did not change", async () => {
    const [clock, till, prices] = before.trim().split(/\n+/);
    const now = (await guest("systemctl show -P MainPID clock till prices")).trim().split(/\n+/);
    expect([now[0], now[2]]).toEqual([clock, prices]);
    expect(now[1]).not.toBe(till);
  });

  it("brings users, files of /etc and packages", async () => {
    expect(await guest("id -un ada; cat /etc/shop.conf; tree --version | cut -c1-4")).toBe(
      "ada\ncurrency=florin\ntree\n",
    );
  });

  it("ends with 4 when a unit fails, and says which and why", async () => {
    const { code, stdout } = await home.osmod(["switch", "broken.ts"], { cwd: directory });
    expect(code).toBe(4);
    expect(stdout).toContain("the following units failed: broken.service");
    expect(stdout).toContain("no stock left");
  });

  it("lists what the machine has been", async () => {
    const { stdout } = await home.osmod(["switch", "--list-generations", "--vm", "shop"], { cwd: directory });
    expect(stdout.trim().split("\n")).toHaveLength(3);
    expect(stdout).toMatch(/^ +3 .*\(default\)$/m);
  });

  it("goes back with --rollback, which builds nothing", async () => {
    const back = await change(["switch", "--rollback", "--vm", "shop"]);
    expect(back.exitCode).toBe(0);
    expect(back.generation?.number).toBe(2);
    expect(back.toplevel).toBe(outcome.toplevel);
    expect(await guest("systemctl --failed --no-legend --plain; cat /run/greeting")).toBe("good evening\n");
  });
});

describe("osmod test", () => {
  it("lasts until the next start", async () => {
    const outcome = await change(["test", "first.ts"]);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.generation).toBeUndefined();
    expect(await guest("systemctl is-active cellar; cat /run/greeting")).toBe("active\ngood morning\n");
    expect((await guest("command -v tree || echo none")).trim()).toBe("none");
  });
});

describe("what a running machine was switched to", () => {
  it("is kept, and seen by the guest alone, although nothing else names it", async () => {
    const outcome = await change(["test", "later.ts"]);
    const { stdout } = await home.osmod(["store", "gc", "--dry-run", "--older-than", "0s", "--json"]);
    expect(stdout).not.toContain(outcome.toplevel);
    const base = outcome.toplevel.slice("/nix/store/".length);
    expect(await guest(`test -e ${outcome.toplevel}/init && echo seen`)).toBe("seen\n");
    const other = readdirSync(join(home.storeRoot, "nix/store")).filter(
      (name) => name !== base && name.endsWith(".drv"),
    );
    expect(await guest(`test -e /nix/store/${other[0]} || echo hidden`)).toBe("hidden\n");
  });
});

describe("osmod boot", () => {
  it("changes nothing now", async () => {
    await change(["test", "first.ts"]);
    const outcome = await change(["boot", "later.ts"]);
    expect(outcome.generation?.number).toBe(4);
    expect(await guest("systemctl is-active market || true; systemctl is-active cellar")).toBe("inactive\nactive\n");
  });

  it("lets the next start of the same launcher begin with it; what was only tested is gone", async () => {
    await guest("echo precious > /root/kept; sync; systemctl poweroff");
    expect(await exitCode(vm)).toBe(0);
    start();
    expect(await guest("systemctl is-system-running --wait")).toBe("running\n");
    expect(await guest("systemctl is-active market; systemctl is-active cellar || true; cat /root/kept")).toBe(
      "active\ninactive\nprecious\n",
    );
  });

  it("leaves the choice of another generation to whoever starts the machine", async () => {
    await guest("systemctl poweroff");
    expect(await exitCode(vm)).toBe(0);
    const launcher = join(directory, "result/bin/run-shop-vm");
    const initOf = async (...args: string[]) =>
      /init=([^ ']+)/.exec((await home.run(launcher, [...args, "--print-command"], { cwd: directory })).stdout)?.[1];
    const list = JSON.parse(
      (await home.osmod(["switch", "--list-generations", "--disk", "shop.qcow2", "--json"], { cwd: directory })).stdout,
    ) as { number: number; toplevel: string; isDefault: boolean }[];
    expect(await initOf("--generation", "1")).toBe(`${list[0]?.toplevel}/init`);
    expect(await initOf()).toBe(`${list.find(({ isDefault }) => isDefault)?.toplevel}/init`);
    const unknown = await home.run(launcher, ["--generation", "9"], { cwd: directory });
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain("there is no generation 9");
  });

  it("works on a machine that does not run, by its disk", async () => {
    const { code, stdout } = await home.osmod(["boot", "first.ts", "--disk", "shop.qcow2"], { cwd: directory });
    expect(code).toBe(0);
    expect(stdout).toContain("the next start begins with generation 1");
  });

  it("names the machines that run when the one that is meant does not", async () => {
    const { code, stderr } = await home.osmod(["switch", "second.ts"], { cwd: directory });
    expect(code).toBe(1);
    expect(stderr).toContain("[vm-not-running]");
  });
});

describe("a machine whose store is an image", () => {
  const box = (...argv: string[]) => succeeds([...argv.slice(0, 2), "box", ...argv.slice(2)]);
  const inBox = (command: string) => box("vm", "exec", "--", "sh", "-c", command);

  beforeAll(async () => {
    for (const name of ["first", "second", "later"]) writeImageShop(name);
    await succeeds(["vm", "start", "--wait", "--name", "box", "image-first.ts"]);
  });
  afterAll(() => home.osmod(["vm", "stop", "--force", "box"]));

  it("becomes another while it runs", async () => {
    await box("vm", "snapshot", "first");
    expect((await change(["switch", "image-second.ts", "--vm", "box"])).units["started"]).toContain(
      "newsletter.service",
    );
    expect(
      await inBox("cat /run/greeting; tree --version | cut -c1-4; findmnt -no FSTYPE /nix/store | tail -n 1"),
    ).toBe("good evening\ntree\noverlay\n");
    expect(await inBox("! echo x > /nix/store/written 2> /dev/null; systemctl --failed --no-legend")).toBe("");
  });

  it("sleeps and wakes with what it was only tested with, which is kept until then", async () => {
    const { toplevel } = await change(["test", "image-later.ts", "--vm", "box"]);
    await box("vm", "stop", "--sleep");
    const collected = await succeeds(["store", "gc", "--dry-run", "--older-than", "0s"]);
    const images = readdirSync(join(home.home, ".local/state/osmod/vms/box/saved/roots"));
    expect(images.filter((name) => name.endsWith("-store-image"))).toHaveLength(2);
    for (const name of images) expect(collected).not.toContain(name);
    expect(await box("vm", "start", "--resume")).toContain("goes on");
    expect(await inBox(`systemctl is-active market; cat ${toplevel}/init > /dev/null && echo read`)).toBe(
      "active\nread\n",
    );
  });

  it("goes back to what it was at a snapshot, with the store of then", async () => {
    await box("vm", "revert", "first");
    expect(await inBox("cat /run/greeting; systemctl is-active cellar; ls /run/osmod-store 2> /dev/null || true")).toBe(
      "good morning\nactive\n",
    );
  });

  it("goes to sleep as the generation that it was started as", async () => {
    await box("vm", "stop", "--force");
    await succeeds(["vm", "start", "--wait", "box"]);
    const boot = await inBox("cat /run/greeting /proc/sys/kernel/random/boot_id");
    expect(boot).toContain("good evening");
    await box("vm", "stop", "--sleep");
    expect(await box("vm", "start", "--resume")).toContain("goes on");
    expect(await inBox("cat /run/greeting /proc/sys/kernel/random/boot_id")).toBe(boot);
  });
});

/** One of the shop's files, with an image for its store. */
function writeImageShop(name: string): void {
  writeFileSync(
    join(directory, `image-${name}.ts`),
    `import { defineMachine } from "osmod";
import machine from "./${name}.ts";

export default defineMachine({ imports: [machine], config: { virtualisation: { store: { transport: "erofs" } } } });
`,
  );
  home.giveAll(directory);
}

/** Run a verb that has to succeed, and get what it says. */
async function succeeds(argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await home.osmod(argv, { cwd: directory });
  if (code !== 0) throw new Error(`osmod ${argv.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** second.ts with one service more. */
function write(file: string, service: string): void {
  writeFileSync(
    join(directory, file),
    `import { define, defineMachine } from "osmod";
import second from "./second.ts";

export default defineMachine({ imports: [second], config: define({ systemd: { services: { ${service} } } }) });
`,
  );
  home.giveAll(directory);
}

function start(): void {
  vm = home.start(join(directory, "result/bin/run-shop-vm"), ["--headless"], { cwd: directory });
  vm.stdout?.resume();
  said = "";
  vm.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
}

/** Run a verb and get its outcome. */
async function change(argv: readonly string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await home.osmod([...argv, "--json"], { cwd: directory });
  if (code !== 0) throw new Error(`osmod ${argv.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
  return JSON.parse(stdout) as Outcome;
}

/** Run a command in the guest, as soon as there is one. */
async function guest(command: string): Promise<string> {
  for (let attempt = 0; ; attempt += 1) {
    const { code, stdout, stderr } = await home.osmod(["vm", "exec", "shop", "--", "sh", "-c", command]);
    if (code === 0) return stdout;
    const notYet = stderr.includes("vm-not-running") || stderr.includes("guest-agent-closed");
    const starting = notYet && vm.exitCode === null && attempt < 100 && existsSync(directory);
    if (!starting) throw new Error(`${command} ended with ${code}:\n${stdout}${stderr}\nthe launcher said:\n${said}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function exitCode(child: ChildProcess): Promise<number | null> {
  return child.exitCode === null
    ? new Promise((resolve) => child.once("close", (code) => resolve(code)))
    : Promise.resolve(child.exitCode);
}
