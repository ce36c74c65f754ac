/** The table of verbs: what each is called, what it is for, and where it lives. A verb's file is loaded when it is run. */

/** Runs one verb with the arguments after its name; resolves to the exit code. */
export type Verb = (argv: readonly string[], signal: AbortSignal) => Promise<number>;

interface Entry {
  readonly summary: string;
  readonly run: () => Promise<Verb>;
}

/** Every verb by its name, in the order of the help text. */
export const verbs: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  [
    "build-vm",
    {
      summary: "build the machine as a virtual machine and link its launcher as ./result",
      run: async () => (await import("./build.ts")).buildVm,
    },
  ],
  [
    "build-vm-with-bootloader",
    {
      summary: "the same, of a virtual machine that starts by its firmware and boot loader",
      run: async () => (await import("./build.ts")).buildVmWithBootLoader,
    },
  ],
  [
    "build",
    {
      summary: "build the machine itself (system.build.toplevel) and link it as ./result",
      run: async () => (await import("./build.ts")).buildToplevel,
    },
  ],
  [
    "dry-run",
    {
      summary: "list what build-vm would fetch and build, and do neither",
      run: async () => (await import("./build.ts")).dryRun,
    },
  ],
  [
    "switch",
    {
      summary: "build the machine and make a running virtual machine be it, now and at its next start",
      run: async () => (await import("./switch.ts")).switchNow,
    },
  ],
  [
    "boot",
    {
      summary: "build the machine and let the next start of a virtual machine begin with it",
      run: async () => (await import("./switch.ts")).boot,
    },
  ],
  [
    "eval",
    {
      summary: "print the merged configuration, or one option of it",
      run: async () => (await import("./eval.ts")).run,
    },
  ],
  [
    "test",
    {
      summary: "run tests of machines (*.test.ts); of a machine's file: switch until it is started again",
      run: async () => (await import("./test-or-switch.ts")).run,
    },
  ],
  [
    "build-test",
    {
      summary: "run tests of machines in a builder, by any store, and link their reports as ./result",
      run: async () => (await import("./build-test.ts")).run,
    },
  ],
  [
    "explain",
    {
      summary: "show where an option's value comes from, losers too",
      run: async () => (await import("./explain.ts")).run,
    },
  ],
  [
    "lock",
    {
      summary: "pin the packages that the machine needs; --update moves the pins",
      run: async () => (await import("./lock.ts")).run,
    },
  ],
  [
    "why",
    {
      summary: "show the dependencies that bring a package into the machine",
      run: async () => (await import("./why.ts")).run,
    },
  ],
  [
    "run",
    {
      summary: "build the machine, run one command in it, and be gone",
      run: async () => (await import("./run.ts")).run,
    },
  ],
  [
    "vm list",
    {
      summary: "list virtual machines, running or not",
      run: async () => (await import("./vm-list.ts")).run,
    },
  ],
  [
    "vm start",
    {
      summary: "start a virtual machine in the background; --resume takes no time",
      run: async () => (await import("./vm-start.ts")).run,
    },
  ],
  [
    "vm stop",
    {
      summary: "end a running virtual machine; --sleep saves its memory",
      run: async () => (await import("./vm-stop.ts")).run,
    },
  ],
  [
    "vm ssh",
    {
      summary: "a shell, or a command, in a running virtual machine",
      run: async () => (await import("./vm-ssh.ts")).run,
    },
  ],
  [
    "vm exec",
    {
      summary: "run a command by the guest agent, without a network",
      run: async () => (await import("./vm-exec.ts")).run,
    },
  ],
  [
    "vm logs",
    {
      summary: "print a virtual machine's console or journal",
      run: async () => (await import("./vm-logs.ts")).run,
    },
  ],
  [
    "vm status",
    {
      summary: "show how a running virtual machine is",
      run: async () => (await import("./vm-status.ts")).run,
    },
  ],
  [
    "vm snapshot",
    {
      summary: "keep a state of a virtual machine",
      run: async () => (await import("./vm-snapshot.ts")).snapshot,
    },
  ],
  [
    "vm revert",
    {
      summary: "go back to a state that was kept",
      run: async () => (await import("./vm-snapshot.ts")).revert,
    },
  ],
  [
    "vm rm",
    {
      summary: "forget a virtual machine, with its disk",
      run: async () => (await import("./vm-rm.ts")).run,
    },
  ],
  [
    "store verify",
    {
      summary: "look for damage in the store; --repair mends it",
      run: async () => (await import("./store-verify.ts")).run,
    },
  ],
  [
    "store gc",
    {
      summary: "remove what no link, no name and nothing running needs",
      run: async () => (await import("./store-gc.ts")).run,
    },
  ],
  [
    "store root",
    {
      summary: "add, list or remove what the store keeps",
      run: async () => (await import("./store-root.ts")).run,
    },
  ],
  [
    "store du",
    {
      summary: "show what paths take, with all below them",
      run: async () => (await import("./store-du.ts")).run,
    },
  ],
  [
    "store optimise",
    {
      summary: "let equal files take their place once",
      run: async () => (await import("./store-optimise.ts")).run,
    },
  ],
  [
    "path-info",
    {
      summary: "show what the store knows of paths",
      run: async () => (await import("./path-info.ts")).run,
    },
  ],
  [
    "why-depends",
    {
      summary: "show the references that lead from one path to another",
      run: async () => (await import("./why-depends.ts")).run,
    },
  ],
  [
    "log",
    {
      summary: "print what a builder said",
      run: async () => (await import("./log.ts")).run,
    },
  ],
  [
    "store export",
    {
      summary: "write a build and all it refers to into a binary cache, for osmod and Nix",
      run: async () => (await import("./store-export.ts")).run,
    },
  ],
  [
    "store import",
    {
      summary: "copy paths from a binary cache, of osmod or Nix, into the store",
      run: async () => (await import("./store-import.ts")).run,
    },
  ],
  [
    "store key",
    {
      summary: "make keys that sign binary caches",
      run: async () => (await import("./store-key.ts")).run,
    },
  ],
  ["version", { summary: "print the version", run: async () => (await import("./version.ts")).run }],
]);

/** The help text. */
export function usage(): string {
  const width = Math.max(...[...verbs.keys()].map((name) => name.length));
  const list = [...verbs].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    "usage: osmod <verb> [options] [machine.ts]",
    "",
    ...list,
    "",
    "The machine's file defaults to ./machine.ts. `osmod <verb> --help` lists a verb's options.",
    "Environment: OSMOD_STORE_ROOT (where the store lies), OSMOD_STORE (embedded or nix),",
    "OSMOD_SUBSTITUTERS and OSMOD_TRUSTED_PUBLIC_KEYS (binary caches), OSMOD_DEBIAN_MIRROR (the archive to fetch from).",
  ].join("\n");
}
