/**
 * Node for builders: Debian's, started from where it lies in the store.
 *
 * Debian's Node reads a few of its own modules from `/usr/share/nodejs` when it starts, a path that is a constant in its
 * library and does not exist in a builder's sandbox. In the tree the constant is another one of the same length, in `/tmp`, which every
 * sandbox has for itself; the program `bin/node` makes it a link to the tree, and names its own loader and libraries:
 *
 *     /usr/share/nodejs/undici/…   →   /tmp/osmod-nodejs/undici/…   →   <tree>/usr/share/nodejs/undici/…
 *
 * `process.execPath` would be the loader, so it is set to `bin/node`, and who starts further processes of Node by it gets Node.
 *
 * Rejected: the Node that runs this, which is another one on every host; a namespace with the tree at `/usr`, which
 * builders cannot make.
 */
import type { Derivation } from "../store/index.ts";
import type { PackageSet } from "./types.ts";

const CONSTANT = "/usr/share/nodejs/";
const PLACE = "/tmp/osmod-nodejs/";

/** Build a tree whose `bin/node` runs in a builder's sandbox. */
export function nodeForBuilders(pkgs: PackageSet): Derivation {
  const busybox = `${pkgs.staticBusybox}/bin/busybox`;
  const link = PLACE.slice(0, -1);
  const finish = `
library=$(echo usr/lib/x86_64-linux-gnu/libnode.so.*)
chmod u+w "$library"
strings -n ${CONSTANT.length} -t d "$library" | grep -E '^ *[0-9]+ ${CONSTANT}' > /build/constants || :
while read -r at text; do
  printf %s ${PLACE} | dd of="$library" bs=1 seek="$at" conv=notrunc 2> /dev/null
done < /build/constants
mv usr/bin/node usr/lib/nodejs-program
cat > usr/lib/exec-path.cjs <<END
process.execPath = "$out/bin/node";
END
cat > usr/bin/node <<END
#!${busybox} sh
target=$out${CONSTANT.slice(0, -1)}
# Of two that start at once one comes second.
${busybox} ln -sn \\$target ${link} 2> /dev/null || [ "\\$(${busybox} readlink ${link})" = \\$target ] || {
  echo "node: ${link} is somebody else's; builders have to be isolated (sandbox = true in nix.conf)" >&2
  exit 1
}
exec $out/usr/lib64/ld-linux-x86-64.so.2 --argv0 node --library-path $out/usr/lib/x86_64-linux-gnu $out/usr/lib/nodejs-program --require $out/usr/lib/exec-path.cjs "\\$@"
END
chmod 755 usr/bin/node
# Said here, where it is made, and not by every builder that uses it.
[ "$(usr/bin/node -p 'process.execPath + typeof fetch')" = "$out/bin/nodefunction" ]
`;
  return pkgs.mergedTree("nodejs-for-builders", [pkgs["nodejs"]!], { exclude: ["node-corepack"], finish });
}
