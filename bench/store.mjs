/**
 * The store's own work, each against the program that does the same: hashing (Nix), unpacking and merging packages
 * (dpkg-deb), checking and collecting a large store (Nix). What is compared takes turns.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { evaluateMachine } from "../dist/cli/evaluate.js";
import { hashPath, openStore, StoreScope, toSri } from "../dist/store/index.js";
import { privateNix } from "./support/nix.mjs";
import { has, root, timed } from "./support/run.mjs";
import { generateTree } from "./support/tree.mjs";

const hashProgram = fileURLToPath(new URL("./support/hash.mjs", import.meta.url));

/** `mebibytes`: size of the hashed tree; `paths`: how many the large store has; `parts`: what is measured. */
export async function measure({ runs, mebibytes = 1024, paths = 10_000, parts = ["hash", "unpack", "upkeep"] }) {
  const works = {
    hash: (place) => hashing(place, runs, mebibytes),
    unpack: (place) => unpacking(place, runs),
    upkeep: (place) => upkeep(place, runs, paths),
  };
  const rows = [];
  for (const [part, work] of Object.entries(works)) if (parts.includes(part)) rows.push(...(await inFolder(work)));
  return rows;
}

async function hashing(place, runs, mebibytes) {
  const tree = join(place, "tree");
  const files = generateTree(tree, mebibytes * 2 ** 20);
  const nix = has("nix") && has("nix-store");
  const seconds = { nixHash: [], hash: [], again: [], nixAdd: [], nixAddSynced: [], add: [] };
  for (let i = 0; i < runs; i += 1) {
    if (nix)
      seconds.nixHash.push(
        timed("nix", ["--extra-experimental-features", "nix-command", "hash", "path", tree]).seconds,
      );
    seconds.hash.push(timed(process.execPath, [hashProgram, tree]).seconds);
    seconds.again.push(Number(timed(process.execPath, [hashProgram, tree, "100", "3"]).stdout.split(" ")[1]));
    if (nix) {
      fresh(place, (at) => {
        const added = timed("nix-store", ["--add", tree], { env: privateNix(at) }).seconds;
        seconds.nixAdd.push(added);
        seconds.nixAddSynced.push(added + timed("sync", ["-f", at]).seconds);
        return { seconds: added };
      });
    }
    seconds.add.push(await fresh(place, (at) => addTree(at, tree)));
  }
  const suite = "store: hash";
  const note = `${mebibytes} MiB in ${files} files`;
  return [
    { suite, what: "nix hash path", seconds: seconds.nixHash, note: nix ? note : "not installed, not measured" },
    { suite, what: "osmod, with 100 references looked for", seconds: seconds.hash, against: "nix hash path" },
    {
      suite,
      what: "the same, in a process that has hashed before",
      seconds: seconds.again,
      against: "nix hash path",
      note: "as a build has after its first outputs",
    },
    {
      suite,
      what: "nix-store --add",
      seconds: seconds.nixAdd,
      note: nix ? "most of it still to be written to the disk" : "not installed, not measured",
    },
    { suite, what: "nix-store --add, and sync -f", seconds: seconds.nixAddSynced },
    {
      suite,
      what: "osmod, a source added",
      seconds: seconds.add,
      against: "nix-store --add, and sync -f",
      note: "hashed to know its path and on its way in; on the disk",
    },
  ];
}

async function addTree(at, tree) {
  const started = performance.now();
  const narHash = toSri(hashPath(tree).hash);
  const source = new StoreScope().source({ name: "tree", narHash, provide: async () => tree });
  await openStore({ root: at, sandbox: noSandbox }).realise([source]);
  return { seconds: (performance.now() - started) / 1000 };
}

async function unpacking(place, runs) {
  cpSync(join(root, "examples/web/machine.ts"), join(place, "machine.ts"));
  process.env.OSMOD_STORE_ROOT = join(place, "store");
  const signal = new AbortController().signal;
  const { value, store } = await evaluateMachine([join(place, "machine.ts")], { signal }, ({ evaluation }) =>
    find(evaluation.config.system.build.toplevel, "system-path"),
  );
  const packages = value.inputDerivations.map((input) => input.derivation).filter((drv) => debOf(drv) !== undefined);
  const files = packages.map(debOf);
  // What unpacks them was there before them, as dpkg was.
  const unpackers = packages.flatMap((drv) => drv.inputDerivations.map((input) => input.derivation));
  await store.realise(packages);
  for (const source of new Set([...unpackers, ...value.inputSources]))
    store.addRoot(join(place, `root-${source.path.slice(11)}`), source.path);
  const dpkg = has("dpkg-deb");
  const seconds = { dpkg: [], unpack: [], both: [] };
  for (let i = 0; i < runs; i += 1) {
    if (dpkg)
      seconds.dpkg.push(
        fresh(place, (at) => {
          mkdirSync(at);
          const script = 'out=$1; shift; for deb; do dpkg-deb -x "$deb" "$out"; done';
          return timed("sh", ["-ec", script, "sh", at, ...files.map((file) => store.physical(file.path))]);
        }),
      );
    await store.collectGarbage({ graceSeconds: 0 });
    const started = performance.now();
    await store.realise(packages);
    seconds.unpack.push((performance.now() - started) / 1000);
    await store.realise([value]);
    seconds.both.push((performance.now() - started) / 1000);
  }
  const suite = "store: unpack";
  return [
    {
      suite,
      what: "dpkg-deb -x into one tree",
      seconds: seconds.dpkg,
      note: dpkg ? `${packages.length} packages of examples/web` : "not installed, not measured",
    },
    { suite, what: "osmod, unpacked", seconds: seconds.unpack, against: "dpkg-deb -x into one tree" },
    {
      suite,
      what: "osmod, unpacked and merged",
      seconds: seconds.both,
      against: "dpkg-deb -x into one tree",
      note: "isolated, hashed, registered; each package and the tree",
    },
  ];
}

async function upkeep(place, runs, count) {
  const files = join(place, "files");
  mkdirSync(files);
  const scope = new StoreScope();
  const sources = Array.from({ length: count }, (_, i) => {
    const text = `${i}\n`.repeat(100);
    writeFileSync(join(files, `file${i}`), text);
    return scope.text(`file${i}`, text);
  });
  const nix = has("nix-store");
  const seconds = { nixVerify: [], verify: [], nixCollect: [], collect: [] };
  for (let i = 0; i < runs; i += 1) {
    const store = openStore({ root: join(place, `store${i}`), sandbox: noSandbox });
    await store.realise(sources);
    if (nix) {
      const env = privateNix(join(place, `nix${i}`));
      const names = sources.map((source) => join(files, source.name));
      for (let at = 0; at < count; at += 1000) timed("nix-store", ["--add", ...names.slice(at, at + 1000)], { env });
      seconds.nixVerify.push(timed("nix-store", ["--verify", "--check-contents"], { env }).seconds);
      seconds.verify.push(await clocked(() => store.verify()));
      // What is collected has been on the disk for long; ours is, and room that was never taken costs nothing to give back.
      timed("sync", ["-f", place]);
      seconds.nixCollect.push(timed("nix-store", ["--gc"], { env }).seconds);
      timed("sync", ["-f", place]);
    } else {
      seconds.verify.push(await clocked(() => store.verify()));
    }
    seconds.collect.push(await clocked(() => store.collectGarbage({ graceSeconds: 0 })));
  }
  const suite = "store: upkeep";
  const note = nix ? `${count} paths` : "not installed, not measured";
  return [
    { suite, what: "nix-store --verify --check-contents", seconds: seconds.nixVerify, note },
    { suite, what: "osmod, verify", seconds: seconds.verify, against: "nix-store --verify --check-contents" },
    { suite, what: "nix-store --gc", seconds: seconds.nixCollect, note: nix ? "all of them" : note },
    { suite, what: "osmod, collectGarbage", seconds: seconds.collect, against: "nix-store --gc" },
  ];
}

const noSandbox = { prepare: () => Promise.reject(new Error("nothing is to be built")) };

function find(drv, name, seen = new Set()) {
  if (drv.name === name) return drv;
  seen.add(drv);
  for (const { derivation } of drv.inputDerivations) {
    const found = seen.has(derivation) ? undefined : find(derivation, name, seen);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The package file that a derivation unpacks. */
function debOf(drv) {
  return drv.inputDerivations.find(({ derivation }) => derivation.name.endsWith(".deb"))?.derivation;
}

async function clocked(work) {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** Seconds of some work in a place that is there for it alone, while nothing of before waits to be written. */
function fresh(place, work) {
  const at = join(place, "fresh");
  timed("sync", ["-f", place]);
  const done = (run) => {
    timed("sh", ["-c", 'chmod -R u+w "$0" && rm -rf "$0"', at]);
    return run.seconds;
  };
  const run = work(at);
  return run instanceof Promise ? run.then(done) : done(run);
}

async function inFolder(work) {
  const place = mkdtempSync(join(tmpdir(), "osmod-bench-"));
  try {
    return await work(place);
  } finally {
    timed("chmod", ["-R", "u+w", place]);
    rmSync(place, { recursive: true, force: true });
  }
}
