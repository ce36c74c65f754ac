/**
 * Saving the memory of a virtual machine, and going on from it later instead of booting.
 *
 * The machine is stopped and its memory written to a file by QEMU's own migration; the images that it
 * writes to (images.ts) stay as they are at that moment. Another QEMU with the same devices reads the file and goes on. The connection to the store does not survive,
 * and need not: the guest's first request finds it closed, and the kernel connects anew, to a new server.
 *
 * A saved memory and its disks belong together: the memory holds what it has read of them. So there are two ways to use it.
 *
 * - A *start* (`startFor`) is made once from empty disks and read by many, each of which writes to disks of its own. It is
 *   found by everything that went into it: the launcher (which is the machine, its kernel, QEMU and their options), what
 *   was added at run time, and the processor that the guest has seen.
 * - A *sleep* (`sleep`, `wake`) is one machine's own; it counts as long as nothing has written to the disks, and once.
 */
import { execFile } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fail } from "../problems/index.ts";
import type { ImagePlaces, MachineImage } from "./images.ts";
import { rootOf } from "./launcher-path.ts";
import type { QmpClient } from "./qmp.ts";
import { specOf } from "./running.ts";
import { renderArgv } from "./template.ts";
import { treeProgram } from "./tree-program.ts";

/** QEMU's arguments with which a machine waits for a memory instead of booting. */
export const awaitMemory: readonly string[] = ["-incoming", "defer"];

/**
 * QEMU's arguments with which a guest's main memory is a file. What the guest of the saved start writes is in the file; those that go
 * on from it see the file as it is, and what they write is their own: nothing is read before it is needed, and nothing is there twice. No
 * arguments where somebody else says how much memory there is: it is then read and written as a whole.
 */
export function memoryFile(
  file: string,
  mebibytes: number,
  writes: "shared" | "own",
  { args = [], env = process.env }: Pick<ResumeInputs, "args" | "env">,
): readonly string[] {
  if ([...args, ...(env["QEMU_OPTS"] ?? "").split(/\s+/)].some((word) => /^-(m|object|machine)$/.test(word))) return [];
  const share = writes === "shared" ? "on" : "off";
  return [
    "-object",
    // The name that QEMU itself gives it: what is put to sleep later is woken without the file.
    `memory-backend-file,id=pc.ram,size=${mebibytes}M,mem-path=${file.replaceAll(",", ",,")},share=${share}`,
    "-machine",
    "memory-backend=pc.ram",
  ];
}

/** Changed when memories that were saved before would no longer be right. */
const FORMAT = 3;

/**
 * Stop a machine and write its memory to a file, but for what {@link memoryFile} keeps. Afterwards it must not go on; end it with QMP's `quit`.
 * Problem: `vm-not-saved`.
 */
export async function saveMemory(qmp: QmpClient, file: string): Promise<void> {
  await qmp.command("stop");
  await migration(qmp, "migrate", file);
}

/** Read a memory into a machine that was started with {@link awaitMemory}, and let it go on. Problem: `vm-not-resumed`. */
export async function loadMemory(qmp: QmpClient, file: string): Promise<void> {
  await migration(qmp, "migrate-incoming", file);
  await qmp.command("cont");
}

async function migration(qmp: QmpClient, command: "migrate" | "migrate-incoming", file: string): Promise<void> {
  await setCapabilities(qmp, ["events", "x-ignore-shared"], true);
  const outcome = new Promise<string>((resolve) => {
    const end = qmp.onEvent(({ event, data }) => {
      const status = (data as { status?: string } | undefined)?.status;
      if (event !== "MIGRATION" || (status !== "completed" && status !== "failed")) return;
      end();
      resolve(status);
    });
    void qmp.closed.then(() => resolve("closed"));
  });
  await qmp.command(command, { uri: `file:${file}` });
  const saving = command === "migrate";
  const completed = (await outcome) === "completed";
  // A snapshot that is made later has to be one for a QEMU without it.
  if (!(completed && saving)) await setCapabilities(qmp, ["x-ignore-shared"], false).catch(() => {});
  if (completed) return;
  const info = (await qmp.command("query-migrate").catch(() => undefined)) as { "error-desc"?: string } | undefined;
  fail({
    code: saving ? "vm-not-saved" : "vm-not-resumed",
    message: `the machine's memory could not be ${saving ? "written to" : "read from"} ${file}`,
    notes: info?.["error-desc"] === undefined ? [] : [info["error-desc"]],
    fix: saving
      ? "Free some space, or stop the machine without saving it."
      : "Remove the file; the machine then boots.",
  });
}

async function setCapabilities(qmp: QmpClient, names: readonly string[], state: boolean): Promise<void> {
  await qmp.command("migrate-set-capabilities", {
    capabilities: names.map((capability) => ({ capability, state })),
  });
}

/** What a saved memory depends on beside its disks. */
export interface ResumeInputs {
  /** The launcher's store path on this host. */
  readonly launcher: string;
  /** More arguments of QEMU. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A name for everything that goes into a saved memory: equal inputs, equal name. */
export function resumeKey({ launcher, args = [], env = process.env }: ResumeInputs): string {
  const variables = ["QEMU_OPTS", "QEMU_NET_OPTS", "QEMU_KERNEL_PARAMS", "OSMOD_ACCEL"];
  return createHash("sha256")
    .update(JSON.stringify([FORMAT, launcher, args, variables.map((name) => env[name] ?? null), processor()]))
    .digest("hex")
    .slice(0, 32);
}

/** What a guest sees of the host's processor, and whether there is acceleration. */
function processor(): string {
  let kvm = true;
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    kvm = false;
  }
  const lines = readFileSync("/proc/cpuinfo", "utf8").split("\n");
  return [kvm, ...["model name", "flags"].map((key) => lines.find((line) => line.startsWith(key)) ?? "")].join("\n");
}

/** A memory that was saved when its machine had just come up, and the images that belong to it; all are only read. */
export interface SavedStart extends ImagePlaces {
  /** The state of processors and devices. */
  readonly memory: string;
  /** The main memory ({@link memoryFile}). */
  readonly ram: string;
  /** What the serial console had shown until then. */
  readonly console: string;
}

/** For how long a start that nobody uses is kept, and how many there are at most. */
const KEPT_DAYS = 14;
const KEPT_STARTS = 12;

/**
 * The saved start of a machine; made by `boot` when there is none. `boot` is told where to leave its files; the start is
 * there for others only when it is whole.
 */
export async function startFor(
  inputs: ResumeInputs,
  boot: (start: SavedStart) => Promise<void>,
): Promise<SavedStart & { readonly made: boolean }> {
  const starts = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "osmod/starts");
  const directory = join(starts, resumeKey(inputs));
  const start = (at: string): SavedStart => ({
    disk: join(at, "disk.qcow2"),
    images: join(at, "images"),
    memory: join(at, "memory"),
    ram: join(at, "ram"),
    console: join(at, "console"),
  });
  if (existsSync(directory)) {
    const now = new Date();
    utimesSync(directory, now, now);
    return { ...start(directory), made: false };
  }
  const draft = `${directory}.${randomUUID().slice(0, 8)}`;
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  try {
    sweep(starts);
    await boot(start(draft));
    try {
      renameSync(draft, directory);
    } catch (error) {
      // Another process was first; its start is as good.
      if (!existsSync(directory)) throw error;
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return { ...start(directory), made: true };
}

/** Remove starts that nobody has used for long, the oldest of too many, and drafts of processes that are gone. */
function sweep(starts: string): void {
  const day = 86_400_000;
  const entries = readdirSync(starts)
    .map((name) => ({ at: join(starts, name), draft: name.includes("."), used: statSync(join(starts, name)).mtimeMs }))
    .sort((a, b) => b.used - a.used);
  const whole = entries.filter(({ draft }) => !draft);
  const old = whole.filter(({ used }, i) => i >= KEPT_STARTS - 1 || Date.now() - used > KEPT_DAYS * day);
  const lost = entries.filter(({ draft, used }) => draft && Date.now() - used > day);
  for (const { at } of [...old, ...lost]) rmSync(at, { recursive: true, force: true });
}

/** Run `qemu-img` of a launcher's QEMU. Problem: `disk-image-failed`. */
export async function qemuImg(launcher: string, args: readonly string[]): Promise<string> {
  const template = treeProgram(specOf(launcher).qemu.tree, "usr/bin/qemu-img");
  const [program = "", ...rest] = renderArgv(template, { root: rootOf(launcher) } as Parameters<typeof renderArgv>[1]);
  try {
    return (await promisify(execFile)(program, [...rest, ...args], { maxBuffer: 2 ** 26 })).stdout;
  } catch (cause) {
    return fail(
      {
        code: "disk-image-failed",
        message: `qemu-img ${args.join(" ")} failed`,
        notes: String((cause as { stderr?: string }).stderr ?? cause)
          .trim()
          .split("\n"),
        fix: "See what it says.",
      },
      cause,
    );
  }
}

/** Note that a memory belongs to images as they are now, and to what the machine was started from. */
export function sealSleep(directory: string, images: readonly MachineImage[], inputs: ResumeInputs): void {
  writeFileSync(join(directory, "belongs-to"), `${resumeKey(inputs)} ${fingerprint(images)}\n`);
}

/** The memory of a sleep that still fits its images and its launcher; `undefined` when there is none. */
export function sleepOf(directory: string, images: readonly MachineImage[], inputs: ResumeInputs): string | undefined {
  try {
    const note = readFileSync(join(directory, "belongs-to"), "utf8").trim();
    return note === `${resumeKey(inputs)} ${fingerprint(images)}` ? join(directory, "memory") : undefined;
  } catch {
    return undefined;
  }
}

/** Images as they are: whatever writes to one of them changes this. */
function fingerprint(images: readonly MachineImage[]): string {
  if (images.length === 0) return "none";
  return images
    .map(({ path }) => {
      const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
      return [ino, size, mtimeNs, ctimeNs].join(".");
    })
    .join(" ");
}
