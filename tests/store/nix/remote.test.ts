/** Nix that sends builds to another machine, over a real connection of ssh, behind our interface. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BuildEvent, openNixStore, openStore, type Store, StoreScope } from "../../../src/store/index.ts";
import { type BuilderLine, OtherMachine, sshServer } from "../../helpers/machine.ts";
import { hasNix, problemOf, runNix, TestDaemon, TestFolder } from "../../helpers/nix.ts";
import { allEnded } from "../../helpers/process.ts";
import { busyboxSource, testSandbox } from "../../helpers/sandbox.ts";

const sandbox = hasNix && sshServer !== undefined ? await testSandbox() : undefined;

/** A key that is nobody's. */
const WRONG_KEY = `ssh-ed25519 ${Buffer.concat([
  Buffer.from([0, 0, 0, 11]),
  Buffer.from("ssh-ed25519"),
  Buffer.from([0, 0, 0, 32]),
  Buffer.alloc(32, 7),
]).toString("base64")}`;

describe.skipIf(sandbox === undefined)("Nix that builds on another machine", { timeout: 120_000 }, () => {
  const scope = new StoreScope();
  let folder: TestFolder;
  let machine: OtherMachine;
  let busybox: string;

  beforeAll(async () => {
    folder = new TestFolder();
    // Builders see this file on the other machine only.
    const name = join(folder.path, "name");
    writeFileSync(name, "the other machine\n");
    const settings = [`sandbox-paths = /machine=${name}`, "system-features = moonlight"];
    machine = await OtherMachine.start(folder, "machine", folder.nix("other root", settings));
    busybox = `${busyboxSource(scope, sandbox?.busybox ?? "")}`;
  });
  afterAll(async () => {
    await machine?.stop();
    folder?.remove();
  });

  const environment = (name: string, line: BuilderLine = {}) => ({
    ...folder.nix(name, [`builders = ${machine.builder(line)}`]),
    ...machine.client,
  });
  const script = (name: string, text: string, extra: Record<string, string> = {}) =>
    scope.derivation({
      name,
      system: "x86_64-linux",
      builder: `${busybox}/bin/busybox`,
      args: ["sh", "-ec", `[ ! -e /machine ] || cat /machine >&2\n${text}`],
      env: { PATH: `${busybox}/bin`, ...extra },
    });

  describe.each(["ssh", "ssh-ng"] as const)("reached by %s", (protocol) => {
    let env: Record<string, string>;
    let store: Store;

    beforeAll(() => {
      env = environment(`here by ${protocol}`, { protocol, features: "moonlight" });
      store = openNixStore({ env });
    });

    it("gives what the embedded store builds: the same paths, archives and references", async () => {
      const note = scope.text(`note-${protocol}`, "a text\n");
      const first = script("first", `echo "from ${note}" > $out`);
      const second = script("second", `mkdir $out; ln -s ${first} $out/first; cat ${first} > $out/copy`);
      const third = script("third", `cat ${second}/copy > $out; echo ${first} >> $out; echo $out >> $out`, {
        requiredSystemFeatures: "moonlight",
      });
      const events: BuildEvent[] = [];
      await store.realise([third], { maxJobs: 0, onEvent: (event) => events.push(event) });

      const about = events.flatMap((event) => ("drv" in event ? [`${event.type} ${event.drv.name}`] : []));
      expect(about).toEqual(
        ["first", "second", "third"].flatMap((name) => [`start ${name}`, `log ${name}`, `done ${name}`]),
      );
      const said = events.flatMap((event) => (event.type === "log" ? [event.line] : []));
      expect(new Set(said)).toEqual(new Set(["the other machine"]));

      const embedded = openStore({ root: join(folder.path, protocol), sandbox: sandbox!.tool, substituters: [] });
      await embedded.realise([third]);
      const paths = embedded.closure([third.path, third.drvPath]);
      const facts = (of: Store, path: string) => {
        const { narHash, narSize, references, deriver } = of.info(path)!;
        return { path, narHash, narSize, references, deriver };
      };
      expect(store.closure([third.path, third.drvPath])).toEqual(paths);
      for (const drv of [first, second, third]) expect(facts(store, drv.path)).toEqual(facts(embedded, drv.path));
      expect(readFileSync(store.physical(third.path), "utf8")).toBe(
        readFileSync(embedded.physical(third.path), "utf8"),
      );

      const made = [first, second, third].map((drv) => drv.path);
      const hashes = (of: (...args: string[]) => string) => of("--query", "--hash", ...made);
      expect(hashes((...args) => machine.run("nix-store", ...args))).toBe(
        hashes((...args) => runNix(env, "nix-store", ...args)),
      );
      expect(runNix(env, "nix-store", "--read-log", first.drvPath)).toBe("the other machine\n");
    });

    it("tells once of a builder that fails there, with its exit code and its last lines", async () => {
      const broken = script("broken", "echo the reason; exit 3");
      const { problems } = await problemOf(
        store.realise([script("needs-broken", `cat ${broken} > $out`)], { maxJobs: 0 }),
      );
      expect(problems.map(({ code, message }) => [code, message])).toEqual([
        ["builder-failed", "the builder of broken failed with exit code 3"],
      ]);
      expect(problems[0].notes).toEqual([
        `on ${protocol}://builder`,
        "last 2 lines of its log:",
        "> the other machine",
        "> the reason",
      ]);
    });

    it("builds on no machine that shows another host key", async () => {
      const wary = openNixStore({ env: environment(`wary of ${protocol}`, { protocol, hostKey: WRONG_KEY }) });
      const drv = script("wary", "echo built > $out");
      const { problems } = await problemOf(wary.realise([drv], { maxJobs: 0 }));
      expect(problems.map(({ code, message }) => [code, message])).toEqual([
        ["build-machine-unreachable", `Nix cannot build on ${protocol}://builder: Host key verification failed.`],
      ]);
      expect(problems[0].notes).toContain("wary needs a x86_64-linux");

      const events: BuildEvent[] = [];
      await wary.realise([drv], { maxJobs: 1, onEvent: (event) => events.push(event) });
      expect(events.map((event) => event.type)).toEqual(["machine-refused", "start", "done"]);
      expect(readFileSync(wary.physical(drv.path), "utf8")).toBe("built\n");
    });

    it("says that a machine does not trust the user whom ssh logs in", async () => {
      const place = join("strangers", protocol);
      const daemon = await TestDaemon.start(folder, "strangers", ["trusted-users = nobody"]);
      const strange = await OtherMachine.start(folder, `strange-${protocol}`, folder.nixClient("strangers"));
      try {
        const env = { ...folder.nix(place, [`builders = ${strange.builder({ protocol })}`]), ...strange.client };
        const work = openNixStore({ env }).realise([script("unwelcome", "echo > $out")], { maxJobs: 0 });
        const { problems } = await problemOf(work);
        expect(problems.map(({ code }) => code)).toEqual(["build-machine-distrusts"]);
        expect(problems[0].message).toContain(`${protocol}://builder`);
      } finally {
        await strange.stop();
        await daemon.stop();
      }
    });

    it("stops there when asked here", async () => {
      const abort = new AbortController();
      const drv = script(`sleeps-${protocol}`, "echo begun; sleep 600; echo > $out");
      let processes: number[] = [];
      const running = store.realise([drv], {
        maxJobs: 0,
        signal: abort.signal,
        onEvent: (event) => {
          if (event.type !== "log" || event.line !== "begun") return;
          processes = machine.processes;
          abort.abort();
        },
      });
      expect((await problemOf(running)).problems[0].code).toBe("build-interrupted");
      expect(processes.length).toBeGreaterThan(0);
      await allEnded(processes);
      expect(store.isValid(drv.path)).toBe(false);
    });
  });

  describe("reached either way", () => {
    let env: Record<string, string>;
    let store: Store;

    beforeAll(() => {
      env = environment("here", { features: "moonlight" });
      store = openNixStore({ env });
    });

    it("gives a second store what the machine has built for the first", async () => {
      const low = script("low", "echo low > $out");
      const high = script("high", `cat ${low} > $out`);
      await store.realise([high], { maxJobs: 0 });
      const lines: string[] = [];
      const second = openNixStore({ env: environment("second") });
      await second.realise([high], {
        maxJobs: 0,
        onEvent: (event) => {
          if (event.type === "log") lines.push(event.line);
        },
      });
      expect(lines).toEqual([]);
      expect(readFileSync(second.physical(high.path), "utf8")).toBe("low\n");
    });

    it("keeps what came back as long as its link is there", async () => {
      const kept = script("kept", "echo kept > $out");
      await store.realise([kept], { maxJobs: 0 });
      const link = join(folder.path, "work", "kept");
      store.addRoot(link, kept.path);
      runNix(env, "nix-store", "--gc");
      expect(readFileSync(link, "utf8")).toBe("kept\n");
      expect(readlinkSync(link)).toBe(store.physical(kept.path));
    });

    it("fetches there, and tells what is gone or is another file", async () => {
      const server = createServer((request, response) =>
        request.url === "/there" ? response.end("hello\n") : response.writeHead(404).end(),
      );
      await once(server.listen(0, "127.0.0.1"), "listening");
      const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const hash = createHash("sha256").update("hello\n").digest("hex");
      const fetch = (name: string, url: string, wanted: string) =>
        scope.derivation({
          name,
          system: "builtin",
          builder: "builtin:fetchurl",
          env: { url, preferLocalBuild: "1" },
          fixedOutput: { algo: "sha256", hash: wanted, mode: "flat" },
        });
      const codes = async (work: Promise<void>) => (await problemOf(work)).problems.map(({ code }) => code);
      try {
        const good = fetch("good", `${at}/there`, hash);
        await store.realise([good], { maxJobs: 0 });
        expect(readFileSync(store.physical(good.path), "utf8")).toBe("hello\n");
        expect(machine.run("nix-store", "--query", "--hash", good.path)).toMatch(/^sha256:/);
        const wrong = fetch(
          "wrong",
          `${at}/there`,
          hash.replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
        );
        expect(await codes(store.realise([wrong], { maxJobs: 0 }))).toEqual(["hash-mismatch"]);
        const gone = fetch("gone", `${at}/gone`, hash);
        expect(await codes(store.realise([gone], { maxJobs: 0 }))).toEqual(["fetch-not-found"]);
      } finally {
        server.close();
      }
    });

    it("says which feature no machine has", async () => {
      const drv = script("needs-feature", "echo > $out", { requiredSystemFeatures: "sunshine" });
      for (const maxJobs of [0, 1]) {
        const { problems } = await problemOf(store.realise([drv], { maxJobs }));
        expect(problems.map(({ code, message }) => [code, message])).toEqual([
          ["build-feature-missing", "needs-feature needs a x86_64-linux with sunshine, and Nix knows none"],
        ]);
      }
    });

    it("says that a machine was lost while it built", async () => {
      const lost = await OtherMachine.start(folder, "lost", folder.nix("lost root"));
      const env = {
        ...folder.nix("here", [`builders = ${lost.builder()}`]),
        ...lost.client,
      };
      let stopped: Promise<void> | undefined;
      const work = openNixStore({ env }).realise([script("half", "echo begun; sleep 600; echo > $out")], {
        maxJobs: 0,
        onEvent: (event) => {
          if (event.type === "log" && event.line === "begun") stopped = lost.stop();
        },
      });
      const { problems } = await problemOf(work);
      await stopped;
      expect(problems.map(({ code }) => code)).toEqual(["nix-failed"]);
      expect(problems[0].message).toContain("building half on ssh://builder");
      expect(problems[0].notes).toContain("> begun");
    });
  });
});
