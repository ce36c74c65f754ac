/** Unpacking xz. */
import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { unxz } from "../../src/packages/xz.ts";

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const withCrc = (bytes: Buffer): Buffer => Buffer.concat([bytes, u32(crc32(bytes))]);
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);

/** A number as the format has them: seven bits a byte, the lowest first. */
function variable(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) | 128);
  }
}

/** Bytes as an xz file of LZMA2 chunks that are stored as they are, without a check. */
function stored(contents: Buffer): Buffer {
  const flags = Buffer.from([0, 0]);
  const chunks: Buffer[] = [];
  for (let at = 0; at < contents.length; at += 65_536) {
    const part = contents.subarray(at, at + 65_536);
    const head = Buffer.from([at === 0 ? 1 : 2, 0, 0]);
    head.writeUInt16BE(part.length - 1, 1);
    chunks.push(head, part);
  }
  // One filter, LZMA2 with a dictionary of 1 MiB; the header's size is counted in words.
  const header = withCrc(Buffer.from([2, 0, 0x21, 1, 16, 0, 0, 0]));
  const block = Buffer.concat([header, ...chunks, Buffer.from([0])]);
  const index = withCrc(
    padded(Buffer.concat([Buffer.from([0, 1]), variable(block.length), variable(contents.length)])),
  );
  const footer = Buffer.concat([u32(index.length / 4 - 1), flags]);
  return Buffer.concat([
    Buffer.from("fd377a585a00", "hex"),
    withCrc(flags),
    padded(block),
    index,
    u32(crc32(footer)),
    footer,
    Buffer.from("YZ"),
  ]);
}

describe("an xz file", () => {
  it.each([1000, 3_000_000])("of %i bytes is unpacked, or a problem says why not", async (size) => {
    const contents = randomBytes(size);
    const packed = stored(contents);
    expect(contents.equals(await unxz(packed, "it", size))).toBe(true);
    for (const [bytes, limit, reason] of [
      [packed, size - 1, `it holds more than ${size - 1} bytes`],
      [packed.subarray(0, -40), size, "it cannot be unpacked"],
      [randomBytes(packed.length), size, "it cannot be unpacked"],
    ] as const)
      await expect(unxz(bytes, "it", limit)).rejects.toMatchObject({
        problems: [{ code: "compression-damaged", message: expect.stringContaining(reason) }],
      });
    // The bytes are the caller's still.
    expect(contents.equals(await unxz(packed, "it", size))).toBe(true);
  });
});
