/**
 * What runs in the guest while a test waits: one command that blocks until what is waited for has happened.
 *
 * Units are watched by systemd's own words in the journal. The place in the journal is remembered before the unit's state is looked at, and
 * followed from there, so nothing is missed between the two; a look every few seconds is for messages that somebody's settings suppress. The
 * kernel tells nobody when a port opens or a file appears, so those are looked at ten times a second, by a shell that starts no
 * program for it.
 */

/** Sleep without a program: reading from a pipe that nobody writes to. */
const tick = 'exec {tick}<> <(:)\npause() { read -rt "$1" -u $tick || :; }\n';

/** How the wait for a unit ended. */
export const unitStates = { failed: 3, inactive: 4 } as const;

/** Wait until a unit is active. Exit code: 0, or one of {@link unitStates}. Argument: the unit. */
export const waitForUnit = `${tick}unit=$1
look() {
  active= job= key= value=
  while IFS='=' read -r key value; do
    case $key in ActiveState) active=$value ;; Job) job=$value ;; esac
  done < <(systemctl show --property=ActiveState,Job -- "$unit" 2> /dev/null)
  case $active in active) exit 0 ;; failed) exit ${unitStates.failed} ;; esac
}
idle() { [ "$active" = inactive ] && [ -z "$job" ] && [ -z "$(systemctl list-jobs --no-legend 2> /dev/null || echo unknown)" ]; }
while :; do
  cursor=
  while read -r line; do case $line in '-- cursor: '*) cursor=\${line#-- cursor: } ;; esac; done \\
    < <(journalctl --quiet --lines=1 --show-cursor --output=cat 2> /dev/null)
  look
  # Twice: what was waited for may have happened between the two questions.
  if idle; then look; if idle; then exit ${unitStates.inactive}; fi; fi
  filter=("UNIT=$unit")
  # Nobody has asked for it yet: whatever is started next may.
  if [ "$active" = inactive ] && [ -z "$job" ]; then filter=(); fi
  exec {events}< <(exec journalctl --quiet --follow --output=cat \${cursor:+--after-cursor="$cursor"} _PID=1 "\${filter[@]}" 2> /dev/null)
  follower=$!
  if read -rt 5 -u $events; then while read -rt 0.05 -u $events; do :; done; elif [ $? -le 128 ]; then pause 0.2; fi
  kill $follower 2> /dev/null
  exec {events}<&-
done`;

/** Wait until a TCP port accepts connections. Arguments: address, port. */
export const waitForOpenPort = `${tick}until { : <> "/dev/tcp/$1/$2"; } 2> /dev/null; do pause 0.1; done`;

/** Wait until a TCP port accepts none. Arguments: address, port. */
export const waitForClosedPort = `${tick}while { : <> "/dev/tcp/$1/$2"; } 2> /dev/null; do pause 0.1; done`;

/** Wait until somebody listens on a Unix socket. Argument: its path. */
export const waitForOpenUnixSocket = `${tick}while :; do
  while read -r _ _ _ flags _ _ _ path; do
    # SO_ACCEPTCON
    if [ "$path" = "$1" ] && [ "$flags" = 00010000 ]; then exit 0; fi
  done < /proc/net/unix
  pause 0.1
done`;

/** Wait until there is such a file. Argument: its path. */
export const waitForFile = `${tick}until [ -e "$1" ]; do pause 0.1; done`;

/** A list of all below a path: type, mode and path of each, ended by a NUL. Argument: the path. */
export const listFiles = "find \"$1\" -printf '%y %m %P\\0'";
