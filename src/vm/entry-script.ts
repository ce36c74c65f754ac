/**
 * `bin/run-<name>-vm`: what the user starts.
 *
 * It needs nothing of the host but `/bin/sh`, finds the store from its own real place, and hands over to the store's busybox.
 */
import type { LaunchPaths } from "./launch-script.ts";
import type { MachineSpec } from "./spec.ts";

/** The text of `bin/run-<name>-vm`. */
export function entryScript(spec: MachineSpec, paths: LaunchPaths): string {
  return `#!/bin/sh
# Starts the virtual machine ${spec.name}; --help says more. The store is found from this file's own place.
self=$0
case $self in */*) ;; *) self=$(command -v -- "$self") ;; esac
while [ -h "$self" ]; do
  link=$(readlink -- "$self") || { echo "osmod: start $self by its own path: there is no readlink here to follow the link" >&2; exit 1; }
  case $link in /*) self=$link ;; *) self=\${self%/*}/$link ;; esac
done
here=$(CDPATH='' cd -P -- "\${self%/*}" && pwd -P) || exit 1
root=\${here%/nix/store/*}
if [ "$root" = "$here" ] || [ ! -x "$root"${paths.busybox} ]; then
  echo "osmod: $self does not lie in a store that holds this machine; start it where it was built, by the link ./result" >&2
  exit 1
fi
share=\${here%/bin}/share/osmod
exec "$root"${paths.busybox} sh "$share/launch.sh" "$root" "$share" "$0" "$@"
`;
}
