/** The least that a kernel can be started with: an initrd of busybox and a script that says it is there. */
import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { timed } from "./run.mjs";

/** Make the initrd below `directory`, with the static busybox of the store at `storeRoot`; the script prints `login: `. */
export function floorInitrd(directory, storeRoot) {
  const tree = join(directory, "floor");
  const store = join(storeRoot, "nix/store");
  const busybox = readdirSync(store).find((name) => name.endsWith("-busybox-static"));
  mkdirSync(join(tree, "dev"), { recursive: true });
  cpSync(join(store, busybox, "bin/busybox"), join(tree, "busybox"));
  writeFileSync(
    join(tree, "init"),
    '#!/busybox sh\n/busybox mount -t devtmpfs devtmpfs /dev\necho "login: " > /dev/console\n/busybox sleep 1000\n',
  );
  chmodSync(join(tree, "init"), 0o755);
  const initrd = join(directory, "floor.cpio");
  timed("sh", ["-c", `cd '${tree}' && find . | ./busybox cpio -o -H newc > '${initrd}'`]);
  return initrd;
}
