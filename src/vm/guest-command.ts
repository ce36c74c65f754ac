/**
 * Commands in a guest on this process's own input and output.
 */
import { join } from "node:path";
import { fail } from "../problems/index.ts";
import { GuestAgent } from "./guest-agent.ts";
import { type RunningVm, specOf } from "./running.ts";
import { waitUntilUp } from "./start.ts";

/**
 * Run a command in a running machine by its guest agent. Output comes as it is written; resolves to the exit code.
 * Problem: `vm-without-agent`.
 */
export async function runInGuest(vm: RunningVm, command: readonly string[], signal: AbortSignal): Promise<number> {
  await using agent = await agentOf(vm, signal);
  return await pipeFromGuest(agent, command, signal);
}

/** The same over a connection that is there. What is piped into this process is the command's input. */
export async function pipeFromGuest(
  agent: GuestAgent,
  command: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const input = process.stdin.isTTY === true ? undefined : await readAll(process.stdin);
  const { exitCode } = await agent.exec(command, {
    signal,
    ...(input === undefined ? {} : { stdin: input }),
    onStdout: (bytes) => process.stdout.write(bytes),
    onStderr: (bytes) => process.stderr.write(bytes),
  });
  return exitCode;
}

/** Wait until a machine that was started has nothing left to start. Problem: `vm-without-agent`. */
export async function waitForGuest(vm: RunningVm, signal: AbortSignal): Promise<void> {
  await using agent = await agentOf(vm, signal);
  await waitUntilUp(agent, signal);
}

/** Connect to a machine's guest agent; waits until it answers. Problem: `vm-without-agent`. */
export async function agentOf(vm: RunningVm, signal?: AbortSignal): Promise<GuestAgent> {
  if (!specOf(vm.launcher).guestAgent) {
    fail({
      code: "vm-without-agent",
      option: "virtualisation.qemu.guestAgent.enable",
      message: `the virtual machine "${vm.name}" was built without a guest agent`,
      fix: "Set virtualisation.qemu.guestAgent.enable = true, build it again and restart it.",
    });
  }
  return GuestAgent.connect(join(vm.runtime, "qga"), signal === undefined ? {} : { signal });
}

async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
