/**
 * `osmod vm ssh`: into a running guest, with keys that were made for it.
 *
 * The keys are made at the first call and lie in the machine's private directory, which ends with the machine. The guest is
 * given its part by the guest agent. The host listens on a port of its loopback while a session lasts, and not before or after.
 */
import { spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail, ProblemError, problem } from "../problems/index.ts";
import { agentOf } from "./guest-command.ts";
import { QmpClient } from "./qmp.ts";
import { type RunningVm, specOf } from "./running.ts";
import { sshDirectory, sshSocket } from "./ssh-access.ts";
import { leadingPorts } from "./status.ts";

/** What to run, and as whom. */
export interface SshOptions {
  /** The guest's user; root, unless said otherwise. */
  readonly user?: string;
  /** Words for ssh after the host: a command and its arguments. None is a session at the terminal. */
  readonly command?: readonly string[];
  /** More options of ssh, before the host: `-L`, `-v`. */
  readonly options?: readonly string[];
  readonly signal?: AbortSignal;
}

/**
 * Run ssh on this process's own terminal or pipes. Resolves to its exit code, which is the command's.
 * Problems: `vm-without-ssh`, `ssh-not-found`, and those of the guest agent.
 */
export async function ssh(vm: RunningVm, { user = "root", command = [], options = [], signal }: SshOptions = {}) {
  const access = specOf(vm.launcher).ssh;
  if (access === null) {
    return fail({
      code: "vm-without-ssh",
      option: "virtualisation.ssh.enable",
      message: `the virtual machine "${vm.name}" was built without ssh for its owner`,
      fix: "Set virtualisation.ssh.enable = true, build it again and restart it.",
    });
  }
  const keys = await keysFor(vm);
  await openGuest(vm, keys, signal);
  const qmp = await QmpClient.connect(join(vm.runtime, "control"));
  let port: number | undefined;
  try {
    port = await forward(qmp, access);
    const settings = [
      `UserKnownHostsFile=${keys.knownHosts}`,
      "GlobalKnownHostsFile=/dev/null",
      `HostKeyAlias=${keys.alias}`,
      "StrictHostKeyChecking=yes",
      "IdentitiesOnly=yes",
      "PreferredAuthentications=publickey",
      "LogLevel=ERROR",
    ].flatMap((setting) => ["-o", setting]);
    const login = ["-F", "none", "-i", keys.identity, "-p", String(port), "-l", user];
    const rest = command.length === 0 ? [] : ["--", ...command];
    return await run([...login, ...settings, ...options, "127.0.0.1", ...rest]);
  } finally {
    if (port !== undefined) await qmp.monitor(`hostfwd_remove ${access.netdev} tcp:127.0.0.1:${port}`).catch(() => {});
    qmp.close();
  }
}

function run(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("ssh", args, { stdio: "inherit" });
    child.once("error", (cause) => {
      const missing = problem({
        code: "ssh-not-found",
        message: "there is no ssh on this host",
        fix: "Install it (Debian: apt install openssh-client), or use osmod vm exec.",
      });
      reject(new ProblemError([missing], { cause }));
    });
    child.once("exit", (code) => resolve(code ?? 255));
  });
}

/** Let QEMU choose a port of the host's loopback and lead it to the guest. */
async function forward(qmp: QmpClient, access: { netdev: string; address: string; port: number }): Promise<number> {
  const before = new Set(await forwardedPorts(qmp, access));
  const said = await qmp.monitor(`hostfwd_add ${access.netdev} tcp:127.0.0.1:0-${access.address}:${access.port}`);
  const port = (await forwardedPorts(qmp, access)).find((one) => !before.has(one));
  if (port === undefined) {
    return fail({
      code: "vm-without-ssh",
      message: "QEMU could not lead a port of the host into the guest",
      notes: [said.trim()].filter(Boolean),
      fix: "Look at the machine's console for the reason.",
    });
  }
  return port;
}

/** The host's ports that lead to the guest's daemon. */
async function forwardedPorts(qmp: QmpClient, { address, port }: { address: string; port: number }): Promise<number[]> {
  return leadingPorts(await qmp.monitor("info usernet"))
    .filter(({ proto, guest }) => proto === "tcp" && guest === `${address}:${port}`)
    .map(({ host }) => Number(host.split(":").at(-1)));
}

interface Keys {
  /** The owner's private key, a file. */
  readonly identity: string;
  readonly authorized: string;
  readonly hostKey: string;
  readonly knownHosts: string;
  readonly alias: string;
}

/** The keys of a running machine; made when there are none. */
async function keysFor(vm: RunningVm): Promise<Keys> {
  const directory = join(vm.runtime, "ssh");
  const at = (name: string) => join(directory, name);
  const alias = `osmod-${vm.name}`;
  if (!existsSync(at("known_hosts"))) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const [owner, host] = [sshKeyPair(`owner of ${vm.name}`), sshKeyPair(vm.name)];
    const write = (name: string, text: string) => writeFileSync(at(name), text, { mode: 0o600 });
    write("id", owner.privateKey);
    write("id.pub", `${owner.publicKey}\n`);
    write("host_key", host.privateKey);
    write("known_hosts", `${alias} ${host.publicKey}\n`);
  }
  return {
    identity: at("id"),
    authorized: readFileSync(at("id.pub"), "utf8"),
    hostKey: readFileSync(at("host_key"), "utf8"),
    knownHosts: at("known_hosts"),
    alias,
  };
}

/** Hand the guest its part of the keys, and let its daemon listen. */
async function openGuest(vm: RunningVm, keys: Keys, signal: AbortSignal | undefined): Promise<void> {
  const agent = await agentOf(vm, signal);
  try {
    const script = [
      "umask 077",
      `mkdir -p ${sshDirectory}`,
      `cat > ${sshDirectory}/new`,
      `cd ${sshDirectory}`,
      "sed -n '1,/^-----END/p' new > host_key",
      "sed '1,/^-----END/d' new > authorized_keys",
      "rm new",
      "chmod 0755 . && chmod 0644 authorized_keys",
      `systemctl start ${sshSocket}`,
    ].join(" && ");
    const { exitCode, stderr } = await agent.exec(script, { stdin: `${keys.hostKey}${keys.authorized}` });
    if (exitCode === 0) return;
    fail({
      code: "vm-without-ssh",
      message: `the guest "${vm.name}" did not open ssh`,
      notes: stderr.toString().trim().split("\n"),
      fix: `See its journal: osmod vm logs ${vm.name} --journal`,
    });
  } finally {
    await agent.close();
  }
}

/** A key pair in OpenSSH's own formats, which every version of it reads. */
export function sshKeyPair(comment: string): { readonly privateKey: string; readonly publicKey: string } {
  const { d = "", x = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const [seed, key] = [Buffer.from(d, "base64url"), Buffer.from(x, "base64url")];
  const type = field("ssh-ed25519");
  const publicBlob = Buffer.concat([type, field(key)]);
  const check = randomBytes(4);
  const secret = Buffer.concat([check, check, type, field(key), field(Buffer.concat([seed, key])), field(comment)]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, i) => i + 1));
  const blob = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    field("none"),
    field("none"),
    field(""),
    Buffer.from([0, 0, 0, 1]),
    field(publicBlob),
    field(Buffer.concat([secret, padding])),
  ]);
  const lines = blob.toString("base64").replace(/.{70}(?=.)/g, "$&\n");
  return {
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicKey: `ssh-ed25519 ${publicBlob.toString("base64")} ${comment}`,
  };
}

/** A text or bytes with their length before them, as the SSH protocol writes them. */
function field(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
