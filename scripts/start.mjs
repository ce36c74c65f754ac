/**
 * `npm start`: build examples/web and boot it with its console in this terminal.
 *
 *     npm start               boot it; how to leave is printed first
 *     npm start -- --check    boot it without a console, fetch the page through the forwarded port, print it, power off
 *
 * `--check` uses a disk of its own in a temporary directory and ends with 0 only when every step of the way worked.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const osmod = join(root, "dist/cli/main.js");
const page = "http://127.0.0.1:8080/";
const BOOT_TIMEOUT_MS = 300_000;

process.exitCode = await main(process.argv.slice(2));

async function main(args) {
  if (!existsSync(osmod)) {
    process.stderr.write("dist/ is missing; run `npm ci` (or `npm run build`) first\n");
    return 1;
  }
  const build = spawnSync(process.execPath, [osmod, "build-vm", join(root, "examples/web/machine.ts")], {
    stdio: "inherit",
  });
  if (build.status !== 0) return build.status ?? 1;
  const launcher = join(process.cwd(), "result/bin/run-web-vm");
  if (args.includes("--check")) return check(launcher);
  return new Promise((resolve) => {
    const vm = spawn(launcher, args, { stdio: "inherit" });
    process.on("SIGINT", () => {}); // the terminal sends it to the VM as well, which decides
    vm.on("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
  });
}

/** Boot without a console, fetch the page, power off. Every failure names its reason on stderr. */
async function check(launcher) {
  const { startVm } = await import("osmod/vm");
  const directory = mkdtempSync(join(tmpdir(), "osmod-check-"));
  const vm = await startVm({ launcher, cwd: directory });
  const stop = () => void vm.stop();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    const text = await fetchUntil(page, Date.now() + BOOT_TIMEOUT_MS, vm);
    process.stdout.write(text);
    const code = await vm.shutdown();
    if (code !== 0) throw new Error(`the virtual machine ended with ${code} instead of 0`);
    return 0;
  } catch (error) {
    await vm.stop();
    process.stderr.write(`check failed: ${error.message}\n`);
    const tail = vm.console().trimEnd().split("\n").slice(-20).join("\n");
    if (tail !== "") process.stderr.write(`the last lines of the guest's console:\n${tail}\n`);
    return 1;
  } finally {
    process.removeListener("SIGINT", stop);
    process.removeListener("SIGTERM", stop);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function fetchUntil(url, deadline, vm) {
  let reason = "no answer";
  while (Date.now() < deadline) {
    if (vm.exited()) throw new Error("the virtual machine ended before the page was served");
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
      if (answer.ok) return await answer.text();
      reason = `HTTP ${answer.status}`;
    } catch (error) {
      reason = error.cause?.code ?? error.name;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`${url} did not answer within ${BOOT_TIMEOUT_MS / 1000} s (${reason})`);
}
