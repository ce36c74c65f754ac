/**
 * The end of builders whose Node was killed while they were being started.
 *
 * A builder in its sandbox dies with this process (sandbox.ts). Until bubblewrap has got so far, some hundredth of a second, nothing
 * tells it. So one shell beside this process is told which process groups are builders, and ends them when it hears no more.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Socket } from "node:net";

const SHELL = "/bin/sh";

/** Reads `+ GROUP` and `- GROUP`; at the end of its input it ends the groups that are left. */
const SCRIPT = `groups=
while read -r sign group; do
  case $sign in
    +) groups="$groups $group" ;;
    -) kept=
       for one in $groups; do [ "$one" = "$group" ] || kept="$kept $one"; done
       groups=$kept ;;
  esac
done
for group in $groups; do kill -KILL "-$group"; done`;

let guardian: ChildProcess | undefined;

/** Have a process group ended when this process is killed; call what is returned when the group has ended. */
export function guard(group: number): () => void {
  tell(`+ ${group}\n`);
  return () => tell(`- ${group}\n`);
}

function tell(line: string): void {
  guardian ??= start();
  guardian?.stdin?.write(line);
}

function start(): ChildProcess | undefined {
  if (!existsSync(SHELL)) return undefined;
  // In a session of its own: who ends this process with its group does not end the guardian before it has done its work.
  const child = spawn(SHELL, ["-c", SCRIPT], {
    cwd: "/",
    env: {},
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  // Without one, builders end as bubblewrap sees to it.
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  child.once("exit", () => {
    guardian = undefined;
  });
  // It keeps no process alive.
  child.unref();
  (child.stdin as Socket).unref();
  return child;
}
