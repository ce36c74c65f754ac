/**
 * Escaping for unit names and unit files, as systemd.unit(5), systemd.service(5) and systemd-escape(1) describe it.
 *
 *     escapePath("/srv/my data")      →  srv-my\x20data
 *     quoteArgument('say "100%"')     →  "say \"100%%\""
 */

/** Turn a path into the stem of a unit name, as systemd names mount and device units. */
export function escapePath(path: string): string {
  const plain = path
    .split("/")
    .filter((part) => part !== "")
    .join("/");
  return plain === "" ? "-" : escapeName(plain);
}

/** Turn any text into a part of a unit name: `/` becomes `-`, what is not a plain character becomes `\xNN`. */
export function escapeName(text: string): string {
  return [...new TextEncoder().encode(text)]
    .map((byte, at) => {
      const char = String.fromCharCode(byte);
      if (char === "/") return "-";
      const plain = /[a-zA-Z0-9:_.]/.test(char) && !(char === "." && at === 0);
      return plain ? char : `\\x${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
}

/** Write one argument of a command line (`ExecStart=` and the like) so that systemd passes it on exactly as given. */
export function quoteArgument(argument: string): string {
  const literal = argument.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(literal) ? literal : JSON.stringify(literal);
}

/** Write a command line from its program and arguments; nothing in them is special to systemd. */
export function commandLine(program: string, ...args: readonly string[]): string {
  return [program, ...args].map(quoteArgument).join(" ");
}

/** Write an assignment for `Environment=`; specifiers (`%i`) stay special, as they do in NixOS. */
export function environmentAssignment(name: string, value: string): string {
  return JSON.stringify(`${name}=${value}`);
}
