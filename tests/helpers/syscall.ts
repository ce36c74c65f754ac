/**
 * Programs of one system call, for what no shell can ask.
 *
 * Each is a whole static executable of some 200 bytes that makes the call and exits with 0 or the error's number.
 */

/** A call by number, with up to four arguments; `x32` and `i386` use the other interfaces of the kernel. */
export function syscallProgram(
  number: number,
  args: readonly number[] = [],
  how: "x86_64" | "i386" = "x86_64",
): Buffer {
  const immediate = (prefix: readonly number[], value: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return Buffer.concat([Buffer.from(prefix), bytes]);
  };
  const [a = 0, b = 0, c = 0, d = 0] = args;
  const code = Buffer.concat([
    immediate([0x48, 0xb8], number), // mov rax, number
    immediate([0x48, 0xbf], a), // mov rdi, a
    immediate([0x48, 0xbe], b), // mov rsi, b
    immediate([0x48, 0xba], c), // mov rdx, c
    immediate([0x49, 0xba], d), // mov r10, d
    immediate([0x48, 0xbb], a), // mov rbx, a (what i386 takes for its first argument)
    Buffer.from(how === "x86_64" ? [0x0f, 0x05] : [0xcd, 0x80]), // syscall, or int 0x80
    Buffer.from([0x48, 0x85, 0xc0]), // test rax, rax
    Buffer.from([0x79, 0x08]), // jns +8
    Buffer.from([0x48, 0xf7, 0xd8]), // neg rax
    Buffer.from([0x48, 0x89, 0xc7]), // mov rdi, rax
    Buffer.from([0xeb, 0x02]), // jmp +2
    Buffer.from([0x31, 0xff]), // xor edi, edi
    Buffer.from([0xb8, 60, 0, 0, 0, 0x0f, 0x05]), // exit
  ]);
  const header = Buffer.alloc(120);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header);
  header.writeUInt16LE(2, 16); // an executable
  header.writeUInt16LE(62, 18); // for x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(0x400078n, 24); // which begins behind the headers
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt16LE(64, 58);
  header.writeUInt32LE(1, 64); // one segment, all of the file,
  header.writeUInt32LE(5, 68); // readable and executable
  header.writeBigUInt64LE(0x400000n, 80);
  header.writeBigUInt64LE(0x400000n, 88);
  header.writeBigUInt64LE(BigInt(120 + code.length), 96);
  header.writeBigUInt64LE(BigInt(120 + code.length), 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([header, code]);
}
