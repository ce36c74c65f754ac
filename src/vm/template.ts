/**
 * Command lines with holes: what is known when a machine is built, and what only the start-up knows.
 *
 * Most of a VM's command line follows from its configuration. A few things are known only when it starts: where the
 * store lies on this host, which disk image was chosen, which accelerator works, what `QEMU_OPTS` adds. A template names
 * them as holes. It is rendered in two ways: `renderArgv` fills it from given facts (tests, other tools), and
 * `renderShell` prints the same list as shell words for the launcher. Neither ever parses a filled-in text again, so no value can turn
 * into two arguments or into a command.
 */

/** What only the start-up knows. */
export interface Facts {
  /** Prefix of the store on this host: `<root>/nix/store/…`. Empty when the store lies at `/nix/store`. */
  readonly root: string;
  /** Directory of the launcher's own data on this host. */
  readonly share: string;
  /** The accelerator that was chosen. */
  readonly accel: "kvm" | "tcg";
  /** Path of the root disk's image. */
  readonly disk: string;
  /** `qcow2` or `raw`. */
  readonly diskFormat: string;
  /** Image and format of each further disk (disks.ts), by its number. */
  readonly [drive: `drive${number}` | `driveFormat${number}`]: string;
  /** Path of each shared directory (shared-directories.ts), by its number. */
  readonly [share: `share${number}`]: string;
  /** Socket of the switch of each virtual LAN (networks.ts). */
  readonly [lan: `vlan${number}`]: string;
  /** The layer of the boot disk that is written to (firmware.ts). */
  readonly bootDisk?: string;
  /** The file with the EFI's variables (firmware.ts). */
  readonly efiVariables?: string;
  /** Directory with what the TPM keeps (tpm.ts). */
  readonly tpmState?: string;
  /** The store's busybox. */
  readonly busybox: string;
  /** Private directory of this run; holds sockets and logs. */
  readonly runtime: string;
  /** Process in whose namespace the view of the store is. */
  readonly viewProcess?: string;
  /** More of the user network's option: `,hostfwd=tcp::8080-:80`. */
  readonly netOptions: string;
  /** More of the kernel's command line, with a blank before it. */
  readonly kernelParams: string;
  /** Whether somebody sits at a terminal: the console's escape key works then. */
  readonly console: "terminal" | "plain";
}

/** A hole in a word. */
export interface Hole {
  readonly hole: Exclude<keyof Facts, "accel" | "console">;
  /** Double the commas of what is filled in: set inside QEMU's options. */
  readonly escaped?: boolean;
}
/** A piece of a word. */
export type Part = string | Hole;
/** One argument. */
export interface Word {
  readonly parts: readonly Part[];
  /** The argument is there only when this holds. */
  readonly when?: Condition;
}
/** A choice made at start-up. */
export type Condition = { readonly accel: Facts["accel"] } | { readonly console: Facts["console"] };
/** A command line. */
export type Template = readonly Word[];

/** Make a word out of pieces; neighbouring texts are joined. */
export function word(...parts: readonly Part[]): Word {
  const joined: Part[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (typeof part === "string" && typeof last === "string") joined[joined.length - 1] = last + part;
    else joined.push(part);
  }
  return { parts: joined };
}

/** A path of the store as the host sees it. */
export function hostPath(path: string): Word {
  return word({ hole: "root" }, path);
}

/** The same words, under a condition. */
export function when(condition: Condition, words: Template): Template {
  return words.map((w) => ({ ...w, when: condition }));
}

/** Fill the holes. */
export function renderArgv(template: Template, facts: Facts): string[] {
  return template
    .filter((w) => w.when === undefined || holds(w.when, facts))
    .map((w) => w.parts.map((part) => renderPart(part, facts)).join(""));
}

function holds(condition: Condition, facts: Facts): boolean {
  return "accel" in condition ? facts.accel === condition.accel : facts.console === condition.console;
}

function renderPart(part: Part, facts: Facts): string {
  if (typeof part === "string") return part;
  const value = facts[part.hole] ?? "";
  return part.escaped === true ? value.replaceAll(",", ",,") : value;
}

/**
 * The template as shell code that appends the words to the positional parameters.
 *
 * Facts are shell variables of the same name, and `<name>_escaped` where commas are doubled. Each word becomes exactly one argument:
 * texts are in single quotes, variables in double quotes.
 */
export function renderShell(template: Template): string {
  return template.map((w) => shellLine(w)).join("");
}

function shellLine(w: Word): string {
  const line = `set -- "$@" ${renderShellWord(w)}\n`;
  if (w.when === undefined) return line;
  const [name, value] = "accel" in w.when ? ["accel", w.when.accel] : ["console", w.when.console];
  return `[ "$${name}" != ${value} ] || ${line}`;
}

/** One word as shell code: exactly one argument, whatever is filled in. */
export function renderShellWord(w: Word): string {
  if (w.parts.length === 0) return "''";
  return w.parts
    .map((part) => {
      if (typeof part === "string") return /^[A-Za-z0-9_./:=,@%+-]+$/.test(part) ? part : shellQuote(part);
      return `"\${${part.hole}${part.escaped === true ? "_escaped" : ""}}"`;
    })
    .join("");
}

/** Quote a text so that a POSIX shell takes it as it is. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Shell code that prints `$argument` as a quoted word and a blank; without a quote in it no process is started. */
export const printQuoted = `case $argument in *\\'*) printf "'%s' " "$(printf %s "$argument" | sed "s/'/'\\\\\\\\''/g")" ;; *) printf "'%s' " "$argument" ;; esac`;

/** Shell code (busybox') that sets `<name>_escaped` from `$<name>`, or another text: with each comma doubled. */
export function escapeCommas(name: string, text = `$${name}`): string {
  return `${name}_escaped=${text} ${name}_escaped=\${${name}_escaped//,/,,}`;
}
