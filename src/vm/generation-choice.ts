/**
 * The part of `launch.sh` that finds out which system a start begins with (generations.ts).
 *
 * It comes first and touches nothing: another generation's launcher does all the rest by itself, from the same arguments. Its
 * own choice was made then, which it is told by OSMOD_VM_GENERATION; whoever sets that starts a launcher as it is.
 */

/** Shell code that may become another launcher. It reads $root, $share, $self, $disk_image and the arguments. */
export const generationChoice = `
generation=
count=$#
while [ "$count" -gt 0 ]; do
  argument=$1
  shift
  count=$((count - 1))
  case $argument in
    --generation)
      generation=\${1:-none}
      [ "$count" -eq 0 ] || { shift; count=$((count - 1)); } ;;
    --generation=*) generation=\${argument#*=} ;;
    *) set -- "$@" "$argument" ;;
  esac
done
case $generation in *[!0-9]*) die "--generation takes a number, and got $generation" "osmod switch --list-generations shows them" ;; esac
generations=
if [ -n "$disk_image" ]; then
  generations=\${OSMOD_DISK_IMAGE:-$disk_image}
  generations=\${generations#./}
  case $generations in /*) ;; *) generations=$(pwd -P)/$generations ;; esac
  [ ! -h "$generations" ] || generations=$(readlink -f "$generations")
  chosen_disk=$generations
  generations=$generations.generations
elif [ -n "$generation" ]; then
  die "this machine has its root in memory, and no generations" "start it without --generation"
fi
if [ -n "$OSMOD_VM_GENERATION" ]; then
  generation=
elif [ -n "$generation" ]; then
  [ -h "$generations/$generation" ] || die "there is no generation $generation of $chosen_disk" "osmod switch --list-generations --disk $chosen_disk shows them"
elif [ -h "$generations/default" ]; then
  # What none of them is was built after them, and is meant.
  for known in "$generations/"[0-9]*; do
    if [ "$known" -ef "\${share%/share/osmod}" ]; then generation=$(readlink "$generations/default"); break; fi
  done
fi
if [ -n "$generation" ]; then
  target=$(readlink "$generations/$generation")
  if ! [ "$target" -ef "\${share%/share/osmod}" ]; then
    [ -e "$target/share/osmod/launch.sh" ] || die "generation $generation of $chosen_disk is not in the store any more" "choose another one (--generation N), or build the machine and start that"
    say "starting generation $generation (\${target##*/}); --generation N chooses another one"
    export OSMOD_VM_GENERATION="$generation" OSMOD_DISK_IMAGE="$chosen_disk"
    exec "$busybox" sh "$target/share/osmod/launch.sh" "\${target%/nix/store/*}" "$target/share/osmod" "$self" "$@"
  fi
fi
unset OSMOD_VM_GENERATION
`;
