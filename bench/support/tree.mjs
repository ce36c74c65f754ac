/** A tree as packages have them: half of its bytes in many small files, half in eight big ones; the same every time. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILES_A_DIRECTORY = 64;

/** Write such a tree of about `bytes` bytes at `place`. */
export function generateTree(place, bytes) {
  let seed = 1;
  const random = () => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed / 0x7fffffff;
  };
  const contents = Buffer.alloc(4 << 20);
  for (let at = 0; at < contents.length; at += 4) contents.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  // Text and programs are scanned for references at different speeds.
  for (let at = 0; at < contents.length / 2; at += 1) contents[at] = 32 + (contents[at] % 95);

  let files = 0;
  for (let done = 0; done < bytes / 2; files += 1) {
    const directory = join(place, "small", String(Math.floor(files / FILES_A_DIRECTORY)));
    if (files % FILES_A_DIRECTORY === 0) mkdirSync(directory, { recursive: true });
    const size = Math.floor(2 ** (8 + random() * 9));
    const start = Math.floor(random() * (contents.length - size));
    writeFileSync(join(directory, `file${files}`), contents.subarray(start, start + size));
    done += size;
  }
  mkdirSync(join(place, "big"), { recursive: true });
  for (let i = 0; i < 8; i += 1) {
    const copies = Math.max(1, Math.round(bytes / 16 / contents.length));
    writeFileSync(join(place, "big", String(i)), Buffer.concat(Array(copies).fill(contents)));
  }
  return files + 8;
}
