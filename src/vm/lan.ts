/**
 * `VirtualLan`: a switch for virtual machines, in this process.
 *
 * Each machine's QEMU connects to a Unix socket (`OSMOD_VLAN_<n>` of its launcher) and sends Ethernet frames, each after its length in
 * four bytes, big end first. The switch learns which address is behind which connection, sends a frame there, and to all others when it does
 * not know. No root, no port of the host, nothing that another user could join: who may open the sockets' directory may join. Rejected:
 * QEMU's multicast sockets, which every process of the host can hear.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { fail } from "../problems/index.ts";

const HEADER_BYTES = 4;
const ADDRESS_BYTES = 6;
/** More than any frame; a longer one means that whoever is there does not speak frames. */
const MAX_FRAME_BYTES = 256 * 1024;
/** What waits for a slow machine at most; like any switch, this one drops what is more. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
/** Longer paths do not fit into a socket's address. */
const MAX_PATH_BYTES = 107;
/** The lowest bit of an address's first byte says that it is a group's. */
const GROUP_BIT = 1;

/** A connection, and the node that it belongs to. */
interface Port {
  readonly socket: Socket;
  readonly node: string | undefined;
}

/**
 * A virtual Ethernet segment.
 *
 * @example
 * import { startVm, VirtualLan } from "osmod/vm";
 *
 * const lan = await VirtualLan.listen("/run/user/1000/test/vlan1");
 * const web = await startVm({ launcher: "./result-web/bin/run-web-vm", env: { OSMOD_VLAN_1: await lan.attach("web") } });
 * lan.block("web");   // its cable is pulled
 * lan.unblock("web");
 * await lan.close();
 */
export class VirtualLan implements AsyncDisposable {
  /** Path of the socket for machines that nobody needs to tell apart. */
  readonly path: string;
  readonly #servers = new Map<string, Server>();
  readonly #ports = new Set<Port>();
  readonly #learned = new Map<string, Port>();
  readonly #blocked = new Set<string>();

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Make a switch with a socket at `path`, in a directory that only this user can enter.
   * Problem: `lan-not-made` when there cannot be a socket.
   */
  static async listen(path: string): Promise<VirtualLan> {
    const lan = new VirtualLan(path);
    await lan.#listen(path, undefined);
    return lan;
  }

  /** Make a socket for one machine, so that {@link block} can speak of it. Resolves with the path, `<path>.<node>`; asking again gives the same. */
  async attach(node: string): Promise<string> {
    const path = `${this.path}.${node}`;
    if (!this.#servers.has(path)) await this.#listen(path, node);
    return path;
  }

  /** Let nothing through from or to a machine, as if its cable were pulled. The guest's link stays up; QMP's `set_link` takes it down. */
  block(node: string): void {
    this.#blocked.add(node);
  }

  /** Undo {@link block}. */
  unblock(node: string): void {
    this.#blocked.delete(node);
  }

  /** Whether {@link block} holds. */
  isBlocked(node: string): boolean {
    return this.#blocked.has(node);
  }

  /** How many machines are connected. */
  get connections(): number {
    return this.#ports.size;
  }

  /** End it: sockets are removed, connections closed. Machines that live on try again every second. */
  async close(): Promise<void> {
    for (const { socket } of this.#ports) socket.destroy();
    await Promise.all(
      [...this.#servers].map(
        ([path, server]) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            rmSync(path, { force: true });
          }),
      ),
    );
    this.#servers.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #listen(path: string, node: string | undefined): Promise<void> {
    const server = createServer((socket) => this.#connect({ socket, node }));
    try {
      if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw new Error(`the path is longer than ${MAX_PATH_BYTES} bytes`);
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(path, resolve);
      });
      chmodSync(path, 0o600);
    } catch (cause) {
      fail(
        {
          code: "lan-not-made",
          message: `there can be no virtual network at ${path}: ${(cause as Error).message}`,
          fix: "Name a path in a private directory that exists and has no such file.",
        },
        cause,
      );
    }
    this.#servers.set(path, server);
  }

  #connect(port: Port): void {
    this.#ports.add(port);
    let pending: Buffer = Buffer.alloc(0);
    port.socket.on("data", (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (pending.length >= HEADER_BYTES) {
        const length = pending.readUInt32BE(0);
        if (length > MAX_FRAME_BYTES) {
          port.socket.destroy();
          return;
        }
        if (pending.length < HEADER_BYTES + length) return;
        this.#forward(port, pending.subarray(0, HEADER_BYTES + length));
        pending = pending.subarray(HEADER_BYTES + length);
      }
    });
    // A machine that ends needs no explanation.
    port.socket.on("error", () => {});
    port.socket.on("close", () => {
      this.#ports.delete(port);
      for (const [address, known] of this.#learned) if (known === port) this.#learned.delete(address);
    });
  }

  /** Send a frame, with the length before it, to where its destination was last seen, or to everybody else. */
  #forward(from: Port, message: Buffer): void {
    if (message.length < HEADER_BYTES + 2 * ADDRESS_BYTES || this.#isCut(from)) return;
    const to = message.subarray(HEADER_BYTES, HEADER_BYTES + ADDRESS_BYTES);
    const source = message.toString("hex", HEADER_BYTES + ADDRESS_BYTES, HEADER_BYTES + 2 * ADDRESS_BYTES);
    this.#learned.set(source, from);
    const known = ((to[0] ?? 0) & GROUP_BIT) === 0 ? this.#learned.get(to.toString("hex")) : undefined;
    const targets = known === undefined ? this.#ports : [known];
    for (const port of targets) {
      if (port === from || this.#isCut(port) || port.socket.writableLength > MAX_QUEUED_BYTES) continue;
      port.socket.write(message);
    }
  }

  #isCut({ node }: Port): boolean {
    return node !== undefined && this.#blocked.has(node);
  }
}
