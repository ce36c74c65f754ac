/**
 * The system calls that no namespace covers, as a filter for bubblewrap. Pure.
 *
 * Namespaces hide files, processes and the network. Three things of the host stay in reach of a process in them: the
 * keyrings of the session it was started from, sockets to the hypervisor (`AF_VSOCK`), and the kernel's log. The filter
 * answers those calls as a kernel without the feature would. io_uring goes with them, because it makes sockets past any
 * filter, and so do the system calls of other architectures, which have other numbers.
 *
 * The program is classic BPF, eight bytes an instruction: code, jumps if true and false, operand.
 */

const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;

const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** Offsets in what the kernel shows a filter. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const FIRST_ARGUMENT = 16;

const X86_64 = 0xc000_003e;
/** From here on numbers are those of the x32 interface. */
const X32 = 0x4000_0000;

const AF_VSOCK = 40;
const SOCKET = 41;
const SYSLOG = 103;
const UNSUPPORTED: readonly number[] = [
  248, // add_key
  249, // request_key
  250, // keyctl
  425, // io_uring_setup
  426, // io_uring_enter
  427, // io_uring_register
];

/** The filter's bytes, as `bwrap --seccomp` reads them. */
export function seccompFilter(): Buffer {
  const program: [code: number, ifTrue: number, ifFalse: number, operand: number][] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, X86_64],
    [RETURN, 0, 0, ERRNO | ENOSYS],
    [LOAD, 0, 0, NUMBER],
    [JUMP_GREATER_OR_EQUAL, 0, 1, X32],
    [RETURN, 0, 0, ERRNO | ENOSYS],
  ];
  for (const number of UNSUPPORTED) program.push([JUMP_EQUAL, 0, 1, number], [RETURN, 0, 0, ERRNO | ENOSYS]);
  program.push(
    [JUMP_EQUAL, 0, 1, SYSLOG],
    [RETURN, 0, 0, ERRNO | EPERM],
    [JUMP_EQUAL, 0, 3, SOCKET],
    [LOAD, 0, 0, FIRST_ARGUMENT],
    [JUMP_EQUAL, 0, 1, AF_VSOCK],
    [RETURN, 0, 0, ERRNO | EAFNOSUPPORT],
    [RETURN, 0, 0, ALLOW],
  );
  const bytes = Buffer.alloc(program.length * 8);
  for (const [n, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    bytes.writeUInt16LE(code, n * 8);
    bytes.writeUInt8(ifTrue, n * 8 + 2);
    bytes.writeUInt8(ifFalse, n * 8 + 3);
    bytes.writeUInt32LE(operand, n * 8 + 4);
  }
  return bytes;
}
