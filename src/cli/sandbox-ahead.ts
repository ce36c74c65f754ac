/**
 * The sandbox of a build, made ready while the machine is still evaluated.
 *
 * In an empty store the first builder would otherwise wait for bubblewrap to be fetched and unpacked when all the rest is
 * known. An evaluation does not let go of its thread, so the unpacking is another process, and begins before it if it can.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type HostSandboxOptions, hostSandbox, type Mirrors, type PackageSource } from "../packages/index.ts";
import type { SandboxTool } from "../store/index.ts";

/** A fast network has everything by then. A slow one is not waited for: with that, it does not matter what is first. */
const FETCHED_WITHIN_MS = 200;

/** Makes the sandbox of a store ready, if nothing was built there yet. */
export class SandboxAhead {
  readonly #options: Omit<HostSandboxOptions, "source" | "mirrors" | "onUnpacking">;
  #tool: SandboxTool | undefined;
  #unpacking: Promise<void> | undefined;

  constructor(options: Omit<HostSandboxOptions, "source" | "mirrors" | "onUnpacking">) {
    this.#options = options;
  }

  /** What was begun, for the store. */
  get tool(): SandboxTool | undefined {
    return this.#tool;
  }

  /** Begin, where packages were found. What goes wrong is told when a builder needs it. */
  begin(source: PackageSource, mirrors: Mirrors): void {
    // Where the lock has less than the machine needs, it is asked again with the archive behind it, for the same bubblewrap.
    if (this.#tool !== undefined || existsSync(join(this.#options.root, "nix/store"))) return;
    this.#unpacking = new Promise((onUnpacking) => {
      this.#tool = hostSandbox({ ...this.#options, source, mirrors, onUnpacking });
      // There may be nothing to unpack.
      this.#tool.prepare().then(
        () => onUnpacking(),
        () => onUnpacking(),
      );
    });
  }

  /** Wait until this thread has no more to do for it, but not for long. */
  async underWay(): Promise<void> {
    if (this.#unpacking === undefined) return;
    await Promise.race([this.#unpacking, setTimeout(FETCHED_WITHIN_MS)]);
  }
}
