/**
 * The store over virtiofs: a virtiofsd for each directory, started by the launcher, that shares the guest's memory with QEMU.
 *
 * Each sees one directory and nothing else of the host: its own tree, the view of the store (store-view.ts) or the shared directory,
 * and the folder of its socket. The server of the store is told to write nothing, and has everything mounted read-only as well. QEMU needs the guest's memory
 * in a file that both map; `-m` of QEMU_OPTS can therefore not change its size.
 */

import { qemuOption } from "../qemu-option.ts";
import type { MachineSpec } from "../spec.ts";
import { enterView, viewAsStore } from "../store-view.ts";
import { renderShell, type Template, word } from "../template.ts";
import { confined } from "../tree-program.ts";

export const virtiofsFileSystem = { device: "store", fsType: "virtiofs", options: ["ro"] };

export const virtiofsModules: readonly string[] = ["virtiofs"];

/** Tags of what virtiofs serves, the store first. */
function tagsOf(spec: MachineSpec): readonly string[] {
  if (spec.store.transport !== "virtiofs") return [];
  return [spec.store.tag, ...spec.sharedDirectories.map((one) => one.tag)];
}

/** QEMU's arguments for the memory, and a device for each directory. */
export function virtiofsArgv(spec: MachineSpec): Template {
  const tags = tagsOf(spec);
  if (tags.length === 0) return [];
  return [
    word("-object"),
    qemuOption("memory-backend-memfd", { id: "memory", size: `${spec.memory}M`, share: true }),
    word("-machine"),
    qemuOption(undefined, { "memory-backend": "memory" }),
    ...tags.flatMap((tag) => [
      word("-chardev"),
      qemuOption("socket", { id: `fs-${tag}`, path: [{ hole: "runtime" }, `/fs/${tag}`] }),
      word("-device"),
      qemuOption("vhost-user-fs-pci", { chardev: `fs-${tag}`, tag }),
    ]),
  ];
}

/** Shell code that starts the servers and waits for their sockets; `tree` is virtiofsd's. */
export function virtiofsStart(spec: MachineSpec, tree: string | undefined): string {
  if (spec.store.transport !== "virtiofs" || tree === undefined) return "";
  // As root virtiofsd would ask for rights that it has not.
  const confinement: Template = confined(spec, tree, "/fs");
  const storeServer = server(
    spec.store.tag,
    "/nix/store",
    renderShell([...enterView(spec), ...confinement, ...viewAsStore]),
    `--readonly --cache always --no-announce-submounts`,
  );
  const shareServers = spec.sharedDirectories.map(({ tag, readOnly }, index) =>
    server(
      tag,
      "/shared",
      `${renderShell(confinement)}  set -- "$@" ${readOnly ? "--ro-bind" : "--bind"} "$share${index}" /shared\n`,
      `--cache never --allow-mmap ${readOnly ? "--readonly" : translate("squash-guest", 1000)}`,
    ),
  );
  return `
mkdir -m 0700 "$runtime/fs"
${[storeServer, ...shareServers].join("")}`;

  /** One server in the background, without the launcher's locks. What it sees is put together by `words`, in a shell of its own. */
  function server(tag: string, directory: string, words: string, options: string): string {
    return `(
  set --
${words}  ulimit -n "$(ulimit -Hn)"
  exec "$@" -- /usr/libexec/virtiofsd --socket-path /fs/${tag} --shared-dir ${directory} --sandbox none --rlimit-nofile 0 --log-level warn ${translate("squash-host", 0)} ${options}
) < /dev/null > "$runtime/log/virtiofsd-${tag}" 2>&1 8>&- 9>&- &
await_socket "$runtime/fs/${tag}" $! virtiofsd "$runtime/log/virtiofsd-${tag}" "choose another virtualisation.store.transport"
`;
  }
}

/** Everybody of one side is root, or who started the machine, on the other. */
function translate(kind: "squash-host" | "squash-guest", to: number): string {
  return ["uid", "gid"].map((id) => `--translate-${id} ${kind}:0:${to}:4294967295`).join(" ");
}
