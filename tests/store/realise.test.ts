import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Problem, ProblemError, renderProblems } from "../../src/problems/index.ts";
import {
  type BuildEvent,
  type Derivation,
  type DerivationSpec,
  hashNar,
  narOfPath,
  openStore,
  type SandboxTool,
  type Source,
  type Store,
  StoreScope,
  sha256,
  toHex,
  toSri,
} from "../../src/store/index.ts";
import { busyboxSource, directory, file, testSandbox } from "../helpers/sandbox.ts";

const sandbox = await testSandbox();

let place: string;
let root: string;
let store: Store;
let scope: StoreScope;
let busybox: Source;

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "osmod store "));
  root = join(place, "a root");
  scope = new StoreScope();
  if (sandbox === undefined) return;
  store = openStore({ root, sandbox: sandbox.tool });
  busybox = busyboxSource(scope, sandbox.busybox);
});

afterEach(async () => {
  // What the store holds is read-only on purpose.
  await promisify(execFile)("chmod", ["-R", "u+w", place]);
  rmSync(place, { recursive: true, force: true });
});

/** A derivation whose builder is a shell script; busybox's programs are in its PATH. */
function shell(name: string, script: string, more: Partial<DerivationSpec> = {}): Derivation {
  return scope.derivation({
    name,
    system: "x86_64-linux",
    builder: `${busybox.path}/bin/busybox`,
    args: [
      "sh",
      "-c",
      `b=${busybox.path}/bin/busybox; for p in cat chmod id ip ln ls mkdir mkfifo sleep touch wget date sync; do alias $p="$b $p"; done\n${script}`,
    ],
    ...more,
  });
}

async function problems(work: Promise<unknown>): Promise<readonly Problem[]> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ProblemError) return error.problems;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const read = (drv: Derivation, below = ""): string => readFileSync(store.physical(drv.path) + below, "utf8");

/** Everything in the store directory that is not a registered path. */
function garbage(): string[] {
  return readdirSync(join(root, "nix/store")).filter((name) => !store.isValid(`/nix/store/${name}`));
}

/** Run the fixture in a process of its own; `around` is what starts it, for example another namespace. */
function run(args: string[], uid?: number, around: readonly string[] = []): ChildProcess {
  // Compiling the sources takes seconds where nothing is kept; each user keeps its own.
  const cache = join(tmpdir(), `osmod-test-cache-${uid ?? process.getuid?.()}`);
  const script = resolve(import.meta.dirname, "fixtures/start.mjs");
  const [program = "", ...rest] = [...around, process.execPath, script, cache, ...args];
  return spawn(program, rest, {
    cwd: resolve(import.meta.dirname, "../.."),
    stdio: ["ignore", "pipe", "inherit"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
}

async function output(child: ChildProcess): Promise<string> {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await new Promise((done) => child.once("close", done));
  return text;
}

describe.skipIf(sandbox === undefined)("building", { timeout: 60_000 }, () => {
  it("makes what the builder makes, and everything below it, once", async () => {
    const conf = scope.text("conf", "hello");
    const hello = shell("hello", `cat ${conf.path} > $out`);
    const user = shell(
      "user",
      `mkdir -p $out/bin; echo ${hello.path} > $out/bin/x; chmod +x $out/bin/x; ln -s ${hello.path} $out/l`,
    );
    const events: BuildEvent[] = [];
    await store.realise([user], { onEvent: (event) => events.push(event) });
    expect(read(hello)).toBe("hello");
    expect(events.filter((event) => event.type === "start").map((event) => event.drv.name)).toEqual(["hello", "user"]);
    expect(store.info(user.path)).toMatchObject({ references: [hello.path], deriver: user.drvPath });
    expect(store.closure([user.path])).toEqual([hello.path, user.path].sort());
    expect(garbage()).toEqual([]);
    await store.realise([user], { onEvent: () => expect.unreachable("nothing is left to do") });
    expect(store.plan([user])).toEqual({ build: [], fetch: [], add: [] });
  });

  it("leaves objects canonical: read-only, no setuid, time 1, hash as registered", async () => {
    const drv = shell(
      "modes",
      "mkdir -p $out/d; touch $out/d/x $out/d/plain; chmod 4751 $out/d/x; chmod 0 $out/d/plain; ln -s nowhere $out/l; chmod 500 $out/d",
    );
    await store.realise([drv]);
    const at = store.physical(drv.path);
    const modes = ["", "/d", "/d/x", "/d/plain"].map((below) => (lstatSync(at + below).mode & 0o7777).toString(8));
    expect(modes).toEqual(["555", "555", "555", "444"]);
    for (const below of ["", "/d", "/d/x", "/l"]) expect(lstatSync(at + below).mtimeMs).toBe(1000);
    const { hash, size } = hashNar(narOfPath(at));
    expect(store.info(drv.path)).toMatchObject({ narHash: toSri(hash), narSize: size });
  });

  it("lets outputs be files, directories or symlinks, and inputs too", async () => {
    const link = shell("link", "ln -s /nowhere/else $out");
    const user = shell("user", `ls -l ${link.path} > $out`);
    await store.realise([user]);
    expect(readlinkSync(store.physical(link.path))).toBe("/nowhere/else");
    expect(read(user)).toContain("-> /nowhere/else");
  });

  it("waits for what a builder left in the background to be gone", async () => {
    const drv = shell("late", "(while :; do echo late >> $out; done) & echo early > $out; sleep 0.05");
    await store.realise([drv]);
    const { hash } = hashNar(narOfPath(store.physical(drv.path)));
    expect(store.info(drv.path)?.narHash).toBe(toSri(hash));
  });

  it("makes several outputs that refer to each other in one direction", async () => {
    const drv = shell("multi", "echo $dev > $out; mkdir $dev", { outputs: ["out", "dev"] });
    await store.realise([drv]);
    expect(store.closure([drv.path])).toEqual(Object.values(drv.outputs).sort());
    const circle = shell("circle", "echo $dev > $out; echo $out > $dev", { outputs: ["out", "dev"] });
    expect((await problems(store.realise([circle])))[0]?.code).toBe("output-cycle");
    expect(store.isValid(circle.path)).toBe(false);
  });

  it("finds references wherever they are, and only those", async () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => shell(name, "echo > $out")) as [Derivation, Derivation, Derivation];
    const hash = b.path.slice(11, 43);
    const drv = shell(
      "refs",
      `mkdir $out; : ${a.path} ${c.path}; echo xx${hash}xx > $out/x; ln -s ${a.path}/y $out/l; echo $out > $out/self`,
    );
    await store.realise([shell("all", `echo ${b.path} ${drv.path} > $out`), b]);
    // `b` was named in no input of `refs`, so its digits mean nothing there.
    expect(store.info(drv.path)?.references).toEqual([a.path, drv.path].sort());
  });

  it("gives the environment Nix gives", async () => {
    const env = { x: "1", big: "y".repeat(1000), passAsFile: "big", HOME: "/mine", TMPDIR: "/ignored" };
    const drv = shell(
      "env",
      "set > $out; id -u >> $out; id -g >> $out; cat $bigPath >> $out; umask >> $out; pwd >> $out",
      { env },
    );
    await store.realise([drv]);
    const text = read(drv);
    for (const line of [
      "x='1'",
      "HOME='/mine'",
      "TMPDIR='/build'",
      "NIX_BUILD_TOP='/build'",
      "NIX_STORE='/nix/store'",
      `out='${drv.path}'`,
    ])
      expect(text).toContain(`\n${line}\n`);
    expect(text).toContain("\n1000\n100\n");
    expect(text).toContain("y".repeat(1000));
    expect(text).not.toContain("big=");
    expect(text.endsWith("y0022\n/build\n")).toBe(true);
  });

  it("shows builders neither the host's files nor its network nor other store paths", async () => {
    const other = shell("other", "echo secret > $out");
    writeFileSync(join(place, "secret"), "secret");
    const drv = shell(
      "alone",
      `ls / > $out; ls /nix/store >> $out; cat '${place}/secret' ${other.path.slice(0, 43)}* 2>> $out
       ip addr >> $out; cat /etc/hostname 2>> $out; ls /root /home 2>> $out
       touch ${busybox.path}/x 2>> $out; touch /x 2>> $out; echo ok >> $out`,
    );
    await store.realise([other]);
    await store.realise([drv]);
    const text = read(drv);
    expect(text).toMatch(
      /^build\ndev\netc\nnix\nproc\ntmp\n[^\n]*-busybox\n[^\n]*-alone\n|^build\ndev\netc\nnix\nproc\ntmp\n[^\n]*-alone\n[^\n]*-busybox\n/,
    );
    expect(text).not.toContain("secret\n");
    expect(text).toContain("Read-only file system");
    expect(text.match(/^\d+: /gm)).toEqual(["1: "]);
    expect(text).toContain("127.0.0.1");
  });

  it("tells what a failing builder said last, and where all of it is", async () => {
    const drv = shell("broken", "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); done; echo oops >&2; exit 3");
    const user = shell("user", `cat ${drv.path} > $out`);
    const events: BuildEvent[] = [];
    const [problem, ...others] = await problems(store.realise([user], { onEvent: (event) => events.push(event) }));
    expect(others).toEqual([]);
    expect(problem?.code).toBe("builder-failed");
    const text = renderProblems([problem as Problem]);
    expect(text).toContain("error: the builder of broken failed with exit code 3 [builder-failed]");
    expect(text).toContain("> line 29\n  > oops");
    expect(text).not.toContain("line 10\n");
    expect(text).toContain(store.log(drv.drvPath));
    expect(readFileSync(store.log(drv.drvPath) as string, "utf8")).toContain("line 0\nline 1\n");
    expect(events.filter((event) => event.type === "log")).toHaveLength(31);
    expect(events.at(-1)).toMatchObject({ type: "fail", code: "builder-failed" });
    expect(garbage()).toEqual([]);
    expect(store.isValid(drv.path)).toBe(false);
  });

  it("says when an output is missing, or is something no store holds", async () => {
    expect((await problems(store.realise([shell("none", "echo hi")])))[0]?.message).toContain(
      "without making its output out",
    );
    expect((await problems(store.realise([shell("pipe", "mkfifo $out")])))[0]?.code).toBe("nar-file-special");
    const missing = shell("missing", "", { builder: `${busybox.path}/bin/nothing`, args: [] });
    const [problem] = await problems(store.realise([missing]));
    expect(problem?.code).toBe("builder-failed");
    expect(problem?.notes.join()).toContain("No such file or directory");
    expect(garbage()).toEqual([]);
  });

  it("says what to do with what no environment can hold", async () => {
    const large = await problems(store.realise([shell("large", "", { env: { x: "y".repeat(200_000) } })]));
    expect(large[0]).toMatchObject({ code: "builder-environment-too-large" });
    expect(large[0]?.fix).toContain("passAsFile");
    const odd = await problems(store.realise([shell("odd", "", { env: { "a=b": "" } })]));
    expect(odd[0]?.message).toBe('odd has the variable "a=b", which no environment can hold');
    const filed = shell("filed", "cat $xPath > $out", { env: { x: "y".repeat(200_000), passAsFile: "x" } });
    await store.realise([filed]);
    expect(read(filed)).toHaveLength(200_000);
  });

  it("checks fixed outputs before anything of them enters the store", async () => {
    const fixed = (name: string, script: string, content: string, mode: "flat" | "recursive" = "flat") =>
      shell(name, script, { fixedOutput: { hash: toHex(sha256(content)), algo: "sha256", mode } });
    const good = fixed("good", "echo hello > $out", "hello\n");
    await store.realise([good]);
    expect(read(good)).toBe("hello\n");
    const bad = fixed("bad", "echo hello > $out", "other");
    const [problem] = await problems(store.realise([bad]));
    expect(problem?.code).toBe("hash-mismatch");
    expect(problem?.notes).toEqual([`expected  ${toSri(sha256("other"))}`, `got       ${toSri(sha256("hello\n"))}`]);
    expect((await problems(store.realise([fixed("dir", "mkdir $out", "x")])))[0]?.code).toBe("fixed-output-not-flat");
    expect((await problems(store.realise([fixed("tree", "mkdir $out", "x", "recursive")])))[0]?.code).toBe(
      "hash-mismatch",
    );
    expect(garbage()).toEqual([]);
  });

  it("runs as many builders at a time as it may, and no more", async () => {
    // Each builder notes when it began and ended; hashing what it made may go on while the next one runs.
    const now = 'read -r now rest </proc/uptime; echo "$now" >>$out';
    const drvs = Array.from({ length: 6 }, (_, i) => shell(`job-${i}`, `${now}; sleep 0.3; ${now}`));
    await store.realise(drvs, { maxJobs: 3 });
    const times = drvs.map((drv) => readFileSync(store.physical(drv.path), "utf8").trim().split("\n").map(Number));
    const running = times.map(([begun = 0]) => times.filter(([b = 0, e = 0]) => b <= begun && begun < e).length);
    expect(Math.max(...running)).toBe(3);
  });

  it("stops builders that take too long or are silent too long, and says which", async () => {
    const said = shell("said", "while true; do echo on; sleep 0.1; done & wait");
    const silent = shell("silent", "sleep 100");
    const failure = async (drv: Derivation, options: object): Promise<string> => {
      const error = await store.realise([drv], options).catch((thrown) => thrown as ProblemError);
      return renderProblems((error as ProblemError).problems).split("\n")[0] as string;
    };
    expect(await failure(said, { timeout: 1 })).toContain("the builder of said took more than 1 seconds");
    expect(await failure(silent, { maxSilentTime: 1 })).toContain("the builder of silent said nothing for more than 1");
    const error = await store.realise([silent], { timeout: 1 }).catch((thrown) => thrown as ProblemError);
    expect((error as ProblemError).problems[0].code).toBe("builder-timed-out");
    // No limit is none.
    await store.realise([shell("quick", "sleep 1; echo 1 >$out")], { timeout: 0, maxSilentTime: 0 });
  });

  it("limits what a builder takes of the host", async () => {
    const drv = shell("limits", "cat /proc/self/limits /proc/self/oom_score_adj >$out");
    await store.realise([drv]);
    const text = readFileSync(store.physical(drv.path), "utf8");
    expect(Number(/^Max processes\s+(\d+)/m.exec(text)?.[1])).toBeLessThanOrEqual(8192);
    expect(text).toMatch(/^Max core file size\s+0\s/m);
    expect(text).toMatch(/^1000$/m);
  });

  it("kills builders when asked to stop, with all they started, and leaves nothing", async () => {
    const marker = `sleep ${86_400 + (process.pid % 10_000)}`;
    const drv = shell("endless", `echo started; ${marker} & ${marker}; echo > $out`);
    const stop = new AbortController();
    const onEvent = (event: BuildEvent): void => {
      if (event.type === "log") stop.abort();
    };
    expect((await problems(store.realise([drv], { signal: stop.signal, onEvent })))[0]?.code).toBe("build-interrupted");
    await sleep(100);
    const { stdout } = await promisify(execFile)("ps", ["-eo", "args"]);
    expect(stdout).not.toContain(marker);
    expect(garbage()).toEqual([]);
    expect(readdirSync(join(root, "nix/var/osmod/locks"))).toEqual([]);
  });

  it("does nothing at all when it was told to stop before", async () => {
    const signal = AbortSignal.abort();
    expect((await problems(store.realise([shell("x", "echo > $out")], { signal })))[0]?.code).toBe("build-interrupted");
    expect(garbage()).toEqual([]);
  });

  it("survives being killed: the next process takes over and clears up", async () => {
    const child = run([root, "killed", "1", "echo; $busybox/bin/busybox sleep 5; echo done > $out"]);
    await new Promise((started) => child.stdout?.once("data", started));
    await sleep(300);
    expect(readdirSync(join(root, "nix/var/osmod/locks"))).not.toEqual([]);
    child.kill("SIGKILL");
    await new Promise((done) => child.once("close", done));
    expect(garbage()).not.toEqual([]);
    const begun = performance.now();
    expect(await output(run([root, "killed", "1", "echo done > $out"]))).toContain("done");
    await store.realise([shell("next", "echo > $out")]);
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(garbage()).toEqual([]);
    expect(readdirSync(join(root, "nix/var/osmod/locks"))).toEqual([]);
  });

  it("lets two processes build the same things at once, and builds each once", async () => {
    const script = '$busybox/bin/busybox sleep 0.05; echo "$name" > $out';
    const outputs = await Promise.all([0, 1].map(() => output(run([root, "shared", "12", script]))));
    const started = outputs.map((text) => Number(/started (\d+)/.exec(text)?.[1]));
    expect((started[0] as number) + (started[1] as number)).toBe(12);
    expect(outputs.every((text) => text.endsWith("done\n"))).toBe(true);
    expect(garbage()).toEqual([]);
  });

  it("lets two callers in one process want the same thing", async () => {
    const drv = shell("once", "sleep 0.1; echo > $out");
    let started = 0;
    const onEvent = (event: BuildEvent): void => {
      if (event.type === "start") started++;
    };
    await Promise.all([store.realise([drv], { onEvent }), store.realise([drv], { onEvent })]);
    expect(started).toBe(1);
  });

  it.runIf(process.getuid?.() === 0)("needs no root", async () => {
    const home = join(place, "user");
    mkdirSync(home);
    chmodSync(place, 0o755);
    chownSync(home, 54_321, 54_321);
    const text = await output(run([join(home, "s"), "plain", "2", "umask > $out"], 54_321));
    expect(text).toContain("started 2");
    const path = text.split("\n").find((line) => line.startsWith("/nix/store/")) as string;
    expect(lstatSync(join(home, "s", path))).toMatchObject({ uid: 54_321, mtimeMs: 1000 });
    chmodSync(home, 0o500);
    expect(await output(run([join(home, "t"), "plain", "1"], 54_321))).toContain("store-not-writable");
  });
});

/** Runs its arguments in a user namespace in which `script` has been run as root; undefined where there is none. */
function namespace(script: string): readonly string[] | undefined {
  const argv = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", `${script} && exec "$@"`, "sh"];
  return spawnSync(argv[0] as string, [...argv.slice(1), "true"]).status === 0 ? argv : undefined;
}

describe.skipIf(sandbox === undefined || namespace("true") === undefined)("a host that", { timeout: 60_000 }, () => {
  it("forbids namespaces is told apart from a builder that fails", async () => {
    const text = await output(run([root, "x"], undefined, namespace("echo 0 > /proc/sys/user/max_user_namespaces")));
    expect(text).toMatch(/^start\nsandbox-unavailable\n/);
    expect(text).toContain("user.max_user_namespaces=15000");
  });

  it("has no space left gives the problem disk-full, whoever wrote last", async () => {
    mkdirSync(root);
    const small = namespace(`mount -t tmpfs -o size=4m none '${root}'`);
    const fill = "$busybox/bin/busybox dd if=/dev/zero of=$out bs=64k count=100";
    expect(await output(run([root, "x", "1", fill], undefined, small))).toMatch(/^start\ndisk-full\n/);
    const tiny = namespace(`mount -t tmpfs -o size=512k none '${root}'`);
    const text = await output(run([root, "x"], undefined, tiny));
    expect(text).toMatch(/^disk-full\n/);
    expect(text).toContain("OSMOD_STORE_ROOT");
  });
});

describe.skipIf(sandbox === undefined)("sources", () => {
  it("are provided only when they are missing", async () => {
    const tree = directory({ x: file("1"), run: file("2", true) });
    const path = join(place, "tree");
    mkdirSync(path);
    writeFileSync(join(path, "x"), "1");
    writeFileSync(join(path, "run"), "2", { mode: 0o755 });
    let asked = 0;
    const narHash = toSri(hashNar(narOfPath(path)).hash);
    const provide = async () => (asked++ === 0 ? tree : path);
    const source = scope.source({ name: "tree", narHash, provide });
    expect(store.plan([source]).add).toEqual([source]);
    await store.realise([source]);
    await store.realise([source]);
    expect(asked).toBe(1);
    expect(store.info(source.path)).toMatchObject({ narHash, references: [] });
  });

  it("are checked against their hash", async () => {
    const source = scope.source({ name: "tree", narHash: toSri(sha256("x")), provide: async () => file("1") });
    const [problem] = await problems(store.realise([source]));
    expect(problem).toMatchObject({
      code: "hash-mismatch",
      message: "the source tree does not have the hash it must have",
    });
    expect(garbage()).toEqual([]);
  });
});

describe("without a sandbox", () => {
  const failing = (first: string): SandboxTool => ({
    prepare: async () => [process.execPath, "-e", `console.log(${JSON.stringify(first)}); process.exit(1)`, "--"],
  });
  const drv = () => new StoreScope().derivation({ name: "x", system: "x86_64-linux", builder: "/none" });

  it("names both ways out when namespaces are forbidden", async () => {
    const refused = openStore({ root, sandbox: failing("bwrap: setting up uid map: Permission denied") });
    const [problem] = await problems(refused.realise([drv()]));
    expect(problem?.code).toBe("sandbox-unavailable");
    expect(problem?.message).toContain("setting up uid map: Permission denied");
    expect(problem?.fix).toContain("kernel.apparmor_restrict_unprivileged_userns=0");
    expect(problem?.fix).toContain("run osmod as root");
  });

  it("says so when the program cannot be started", async () => {
    const none = openStore({ root, sandbox: { prepare: async () => ["/no/such/program"] } });
    expect((await problems(none.realise([drv()])))[0]).toMatchObject({ code: "sandbox-unavailable" });
  });

  it("passes on what making the sandbox ready runs into", async () => {
    const broken = new ProblemError([{ code: "fetch-failed", message: "m", sites: [], notes: [] }]);
    const none = openStore({ root, sandbox: { prepare: () => Promise.reject(broken) } });
    expect((await problems(none.realise([drv()])))[0]?.code).toBe("fetch-failed");
  });

  it("asks for it only when something is to be built", async () => {
    const store = openStore({ root, sandbox: { prepare: () => expect.unreachable() as never } });
    const text = new StoreScope().text("x", "hello");
    await store.realise([text]);
    expect(readFileSync(store.physical(text.path), "utf8")).toBe("hello");
  });

  it("touches nothing before something is made", () => {
    const store = openStore({ root, sandbox: failing("") });
    expect(store.isValid(drv().path)).toBe(false);
    expect(store.plan([drv()]).build).toHaveLength(1);
    expect(existsSync(root)).toBe(false);
  });
});
