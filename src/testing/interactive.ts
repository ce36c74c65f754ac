/**
 * A person in the middle of a test: `osmod test --interactive` runs the test with OSMOD_TEST_INTERACTIVE, the path of a socket on which
 * it waits, with its terminal behind. When the machines of the test are up, the test connects and has its machines operated from there;
 * when that ends, it goes on.
 */
import { createConnection } from "node:net";
import { start } from "node:repl";
import type { GuestMachine } from "./machine.ts";

/** Let somebody operate the machines, if somebody is there; resolves when they are done. */
export async function interact(machines: Readonly<Record<string, GuestMachine>>): Promise<void> {
  const path = process.env["OSMOD_TEST_INTERACTIVE"];
  if (path === undefined || path === "") return;
  const socket = createConnection(path);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  const names = Object.keys(machines);
  socket.write(
    `The machines of the test are up: ${names.join(", ")}.\n` +
      `For example: await ${names[0]}.succeed("systemctl --failed"), await ${names[0]}.waitForUnit("multi-user.target")\n` +
      `.console ${names[0]} shows and types at its console (end with C-]); .exit lets the test go on.\n`,
  );
  const repl = start({ prompt: "test> ", input: socket, output: socket, terminal: true, useGlobal: true });
  Object.assign(repl.context, machines);
  repl.defineCommand("console", {
    help: "Show a machine's console and type at it; C-] ends that",
    action(name: string) {
      const machine = machines[name.trim() || (names[0] ?? "")];
      if (machine === undefined) this.output.write(`There is no machine ${name}; there are ${names.join(", ")}.\n`);
      else attach(machine, socket, () => this.displayPrompt());
    },
  });
  await new Promise<void>((resolve) => {
    repl.once("exit", resolve);
    socket.once("close", resolve);
  });
  socket.end();
}

const ESCAPE = 0x1d;

/** Connect a terminal with a console until C-] is typed. */
function attach(machine: GuestMachine, terminal: NodeJS.ReadWriteStream, done: () => void): void {
  const { vm } = machine;
  const others = terminal.listeners("data") as ((chunk: Buffer) => void)[];
  const keys = terminal.listeners("keypress") as ((...args: unknown[]) => void)[];
  terminal.removeAllListeners("data");
  terminal.removeAllListeners("keypress");
  const show = (text: string) => void terminal.write(text);
  const type = (chunk: Buffer) => {
    if (!chunk.includes(ESCAPE)) {
      vm.stdin.write(chunk);
      return;
    }
    vm.stdout.off("data", show);
    terminal.off("data", type);
    for (const listener of others) terminal.on("data", listener);
    for (const listener of keys) terminal.on("keypress", listener);
    terminal.write("\r\n");
    done();
  };
  terminal.write(vm.console().slice(-2000));
  vm.stdout.on("data", show);
  terminal.on("data", type);
  vm.stdin.write("\n");
}
