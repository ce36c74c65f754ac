/**
 * The guest's networks: the way to the world, ports that are led through, and virtual LANs.
 *
 * | netdev | card of the guest | leads to |
 * |---|---|---|
 * | `net0` | 10.0.2.15, by DHCP | the world, through passt; the host's own loopback is not part of it |
 * | `vlan<n>` | eth1, eth2, …: 192.168.<n>.<node> | the other machines of that LAN (lan.ts) |
 * | `forward` | 10.0.2.200, by DHCP | what `forwardPorts` leads from the guest to the host, and nothing else |
 * | `store` | 10.0.3.15 | the server of the store |
 *
 * QEMU's own user network makes every port of the host's loopback reachable at 10.0.2.2, and has no setting against it but
 * `restrict`, which closes the world as well. passt, a program of its own that QEMU reaches by a socket, can leave that out, and
 * the address by which the host is known on its network as well. What listens on further addresses of the host (the bridge of
 * some containers, say) is reached as from any other computer.
 */
import { mkOption, t } from "../lib/index.ts";
import { fail } from "../problems/index.ts";
import { qemuOption, repeated } from "./qemu-option.ts";
import type { ForwardPort, Lan, MachineSpec } from "./spec.ts";
import { escapeCommas, type Hole, printQuoted, renderShell, type Template, type Word, word } from "./template.ts";
import { treeProgram } from "./tree-program.ts";

const guestAddress = "10.0.2.15";
/** Where QEMU's user network and passt answer names. */
const resolver = "10.0.2.3";
/** passt's network is the lower part of 10.0.2.0/24, so that the rest is left for addresses that lead to the host. */
const passtPrefix = 27;
const firstForward = 32;
const lastForward = 199;

/** Of each card: found by it, in the guest as well. */
const forwardMacAddress = "52:54:00:12:34:58";

/** `virtualisation.vlans`. */
export const vlans = mkOption({
  type: t.listOf(t.ints.between(1, 255)),
  default: [],
  description:
    "Virtual LANs that the machine is on. The first is its `eth1`, with the address 192.168.<lan>.<nodeNumber>. What is on the " +
    "other end is said at run time: `OSMOD_VLAN_<lan>` is the socket of a switch (`VirtualLan`).",
  example: [1, 2],
});

/** `virtualisation.test.nodeNumber`. */
export const nodeNumber = mkOption({
  type: t.ints.between(1, 254),
  default: 1,
  description: "Number of this machine among those of its virtual LANs: the last part of its addresses.",
  example: 2,
});

/** `virtualisation.qemu.networkBackend`. */
export const networkBackend = mkOption({
  type: t.enum(["passt", "slirp"]),
  defaultText: '"passt", or "slirp" with qemu.networkingOptions',
  description:
    "What connects the guest to the world. `passt` does not let it reach the loopback of the host. `slirp`, QEMU's own, " +
    "does (at 10.0.2.2), and takes `qemu.networkingOptions` and all of `QEMU_NET_OPTS`.",
  example: "slirp",
});

/** `networking.primaryIPAddress`. */
export const primaryIPAddress = mkOption({
  type: t.str,
  defaultText: "the address on the first of virtualisation.vlans, or empty",
  description: "The machine's address on its first virtual LAN, for other machines' configurations.",
  example: "192.168.1.2",
});

/** The LANs of a machine as data. Problem: `vlan-twice`. */
export function lansOf(numbers: readonly number[], node: number): readonly Lan[] {
  const hex = (value: number) => value.toString(16).padStart(2, "0");
  const twice = numbers.find((lan, index) => numbers.indexOf(lan) !== index);
  if (twice !== undefined) {
    fail({
      code: "vlan-twice",
      option: "virtualisation.vlans",
      message: `the machine is on the virtual LAN ${twice} twice`,
      fix: "Name each LAN once.",
    });
  }
  return numbers.map((lan, index) => ({
    number: lan,
    interface: `eth${index + 1}`,
    address: lanAddress(lan, node),
    macAddress: `52:54:00:13:${hex(lan)}:${hex(node)}`,
  }));
}

/** `192.168.<lan>.<node>`. */
export function lanAddress(lan: number, node: number): string {
  return `192.168.${lan}.${node}`;
}

/** Length of the prefix of a LAN's addresses. */
export const LAN_PREFIX = 24;

/**
 * What passt cannot do is found here, where the option can be named.
 * Problem: `forward-port-address`.
 */
export function checkBackend(network: MachineSpec["network"]): void {
  if (network.backend !== "passt" || network.restrict) return;
  for (const { from, guest } of network.forwardPorts) {
    const last = Number(/^10\.0\.2\.(\d+)$/.exec(guest.address)?.[1] ?? -1);
    const fine =
      from === "host"
        ? guest.address === "" || guest.address === guestAddress
        : last >= firstForward && last <= lastForward;
    if (fine) continue;
    fail({
      code: "forward-port-address",
      option: "virtualisation.forwardPorts",
      message: `the guest's address "${guest.address}" cannot be forwarded ${from === "host" ? "to" : "from"}`,
      fix:
        from === "host"
          ? `Leave the guest's address out, or say ${guestAddress}.`
          : `Use an address from 10.0.2.${firstForward} to 10.0.2.${lastForward}.`,
    });
  }
}

/** Whether passt is started: not for a guest that reaches nothing anyhow. */
export function usesPasst({ network }: MachineSpec): boolean {
  return network.backend === "passt" && !network.restrict;
}

/** QEMU's arguments for all networks but the store's. */
export function networkArgv(spec: MachineSpec, card: (netdev: string, mac: string) => Word): Template {
  const { network } = spec;
  const fromGuest = network.forwardPorts.filter((port) => port.from === "guest").map(guestForward);
  const runtime: Hole = { hole: "runtime" };
  const passt = usesPasst(spec);
  const add = (netdev: Word, id: string, mac: string): Template => [
    word("-netdev"),
    netdev,
    word("-device"),
    card(id, mac),
  ];
  const slirp = qemuOption("user", {
    id: "net0",
    ...(network.restrict ? { restrict: true } : {}),
    hostfwd: repeated(fixedForwards(network.forwardPorts)),
    guestfwd: repeated(fromGuest),
  });
  const options = network.options.map((option) => `,${option}`).join("");
  const world = passt
    ? qemuOption("stream", { id: "net0", server: false, "addr.type": "unix", "addr.path": [runtime, "/passt"] })
    : word(...slirp.parts, options, { hole: "netOptions" });
  const forward =
    passt && fromGuest.length > 0
      ? add(
          qemuOption("user", {
            id: "forward",
            restrict: true,
            ipv6: false,
            net: "10.0.2.0/24",
            host: "10.0.2.254",
            dhcpstart: "10.0.2.200",
            guestfwd: repeated(fromGuest),
          }),
          "forward",
          forwardMacAddress,
        )
      : [];
  const lans = spec.lans.flatMap(({ number, macAddress }) =>
    add(
      qemuOption("stream", {
        id: `vlan${number}`,
        server: false,
        "addr.type": "unix",
        "addr.path": { hole: `vlan${number}` },
        "reconnect-ms": 1000,
      }),
      `vlan${number}`,
      macAddress,
    ),
  );
  return [...add(world, "net0", network.macAddress), ...lans, ...forward];
}

/** `tcp:127.0.0.1:8080-:80`, as QEMU's `hostfwd` wants it. */
export function hostForward({ proto, host, guest }: ForwardPort): string {
  return `${proto}:${host.address}:${host.port}-${guest.address}:${guest.port}`;
}

function guestForward({ proto, host, guest }: ForwardPort): string {
  return `${proto}:${guest.address}:${guest.port}-${proto}:${host.address || "127.0.0.1"}:${host.port}`;
}

/** Those whose port of the host is known before the start. */
export function fixedForwards(ports: readonly ForwardPort[]): readonly string[] {
  return ports.filter((port) => port.from === "host" && port.host.port !== 0).map(hostForward);
}

/** Those for which a free port is looked for at the start. */
export function freeForwards(ports: readonly ForwardPort[]): readonly string[] {
  return ports.filter((port) => port.from === "host" && port.host.port === 0).map(hostForward);
}

/** Shell code that chooses a port for rules that leave it open; `free_forwards` holds them. Runs once `$host_forwards` is complete. */
export const chooseForwards = `
# free_port: sets $port to one on which nobody listens
free_port() {
  tries=100
  while :; do
    port=$((20000 + $(od -An -tu2 -N2 /dev/urandom) % 12768))
    awk -v port="$(printf %04X $port)" 'split($2, at, ":") == 2 && at[2] == port { found = 1; exit } END { exit found }' \\
      /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2> /dev/null && return
    tries=$((tries - 1))
    [ $tries -gt 0 ] || die "no free port of this host was found" "name one in virtualisation.forwardPorts"
  done
}
chosen_forwards=
for forward in $host_forwards $free_forwards; do
  case $forward in
    *:0-*)
      free_port
      forward=\${forward%:0-*}:$port-\${forward#*:0-}
      netOptions=$netOptions,hostfwd=$forward
      [ -n "$print_only" ] || say "port $port of the host leads to port \${forward##*:} of the guest" ;;
  esac
  chosen_forwards="$chosen_forwards $forward"
done
host_forwards=$chosen_forwards
`;

/** Shell code that writes down where the guest's ports are: \`tcp 127.0.0.1:40123 80\`, one a line. */
export const writeForwards = `
for forward in $host_forwards; do
  rest=\${forward#*:}
  address=\${rest%%:*} rest=\${rest#*:}
  proto=\${forward%%:*}
  printf '%s %s:%s %s\\n' "\${proto:-tcp}" "\${address:-127.0.0.1}" "\${rest%%-*}" "\${forward##*:}"
done > "$runtime/ports"
`;

/** Shell code that says where each LAN's switch is. */
export function lanChoice({ lans }: MachineSpec): string {
  return lans
    .map(
      ({
        number,
      }) => `vlan${number}=\${OSMOD_VLAN_${number}:-\${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/osmod-vlan-${number}}}
case $vlan${number} in /* | '') ;; *) vlan${number}=$(pwd -P)/$vlan${number} ;; esac
[ \${#vlan${number}} -le 107 ] || die "the path of OSMOD_VLAN_${number} is longer than 107 bytes" "choose a shorter one"
`,
    )
    .join("");
}

/** Shell code, run when `$runtime` is known, for what {@link networkArgv} fills in. Without a switch the cable leads nowhere. */
export function lanEscapes({ lans }: MachineSpec): string {
  return lans
    .map(({ number }) => `  ${escapeCommas(`vlan${number}`, `\${vlan${number}:-$runtime/no-vlan-${number}}`)}\n`)
    .join("");
}

/** Shell code for the end: QEMU may never have come. */
export const endPasst = `[ -z "$passt" ] || { kill "$passt"; wait "$passt"; } 2> /dev/null`;

/**
 * Shell code that starts passt. It ends when QEMU does; it confines itself, to no files and a few system calls.
 *
 * Debian's passt crashes when somebody knocks at a forwarded port before QEMU has come. So socat waits for QEMU in its place,
 * and becomes passt when the connection is there.
 */
export function passtStart(spec: MachineSpec): string {
  if (!usesPasst(spec)) return "";
  const words: Template = [
    ...treeProgram(spec.qemu.tree, "usr/bin/passt"),
    ...["--foreground", "--fd", "3", "--ipv4-only", "--quiet", "--no-map-gw"].map((w) => word(w)),
    ...["--address", guestAddress, "--netmask", String(passtPrefix), "--gateway", "10.0.2.2"].map((w) => word(w)),
    ...["--dns", resolver, "--dns-forward", resolver].map((w) => word(w)),
  ];
  const socat: Template = [
    ...treeProgram(spec.qemu.tree, "usr/bin/setpriv"),
    ...["--pdeathsig", "KILL", "--"].map((w) => word(w)),
    ...treeProgram(spec.qemu.tree, "usr/bin/socat"),
    word("UNIX-LISTEN:", { hole: "runtime" }, "/passt,umask=0177"),
    // Like QEMU's own commands: a path without blanks that the host's shell reads.
    word("EXEC:/bin/sh ", { hole: "runtime" }, "/passt.sh,nofork"),
  ];
  return `
other=
[ -z "$netOptions" ] || other=$(printf %s "$netOptions" | sed 's/,hostfwd=[^,]*//g')
[ -z "$other" ] || die "QEMU_NET_OPTS has a setting of QEMU's own user network, which this machine does not use: \${other#,}" "keep to hostfwd=..., or set virtualisation.qemu.networkBackend to slirp"
uplink=$(awk '$2 == "00000000" && $8 == "00000000" && (best == "" || $7 < metric) { best = $1; metric = $7 } END { print best }' /proc/net/route)
own=
[ -z "$uplink" ] || own=$(ip -4 -o addr show dev "$uplink" 2> /dev/null | { read -r _ _ _ own _; echo "\${own%%/*}"; })
resolver=$(awk '$1 == "nameserver" && $2 ~ /^[0-9.]+$/ { print $2; exit }' /etc/resolv.conf 2> /dev/null)
(
  set --
${renderShell(words)}  # The host's own address leads to nothing, the guest's, and names go to the resolver that the host itself asks.
  [ -z "$own" ] || set -- "$@" --map-guest-addr "$own"
  [ -z "$resolver" ] || set -- "$@" --dns-host "$resolver"
  for forward in $host_forwards; do
    rest=\${forward#*:}
    address=\${rest%%:*} rest=\${rest#*:}
    case $forward in
      *-:* | *-${guestAddress}:*) ;;
      *) die "passt forwards to ${guestAddress} only, not $forward" "leave the guest's address out" ;;
    esac
    case $forward in udp:*) option=--udp-ports ;; *) option=--tcp-ports ;; esac
    set -- "$@" $option "\${address:+$address/}\${rest%%-*}:\${forward##*:}"
  done
  {
    echo 'exec 3<&0 0</dev/null 1>&2'
    for argument in "$@"; do ${printQuoted}; done
    echo "4>&- || echo \\"osmod: passt, which connects the guest to the network, ended; start the machine again: \\$(grep -v AVX2 '$runtime/log/passt')\\" >&4"
  } > "$runtime/passt.sh"
) || exit 1
(
  set --
${renderShell(socat)}  exec "$@"
) 4>&2 < /dev/null > "$runtime/log/passt" 2>&1 8>&- 9>&- &
passt=$!
`;
}

/** Shell code that waits until QEMU can connect to passt. */
export function passtAwait(spec: MachineSpec): string {
  if (!usesPasst(spec)) return "";
  return `await_socket "$runtime/passt" $passt "socat, which starts the guest's network," "$runtime/log/passt" "set virtualisation.qemu.networkBackend to slirp, or restrictNetwork"
`;
}
