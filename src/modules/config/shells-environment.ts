/**
 * What every shell and session starts with: environment variables, search path, aliases.
 *
 * Variables go to two places. /etc/set-environment is read by log-in shells; /etc/environment is read by PAM, so that
 * also `ssh machine command`, which starts no log-in shell, has the search path and the session's variables.
 */
import { declareOptions, define, defineModule, mkDefault, mkMerge, mkOption, t } from "../../lib/index.ts";
import type { Std } from "../index.ts";
import { sh } from "../shell.ts";

const variables = t.attrsOf(t.nullOr(t.oneOf([t.str, t.int, t.listOf(t.str)])));
const lines = (description: string, example: string) => mkOption({ type: t.lines, default: "", description, example });

export const options = declareOptions({
  environment: {
    variables: mkOption({
      type: variables,
      default: {},
      description: "Environment variables of log-in shells. A list is joined with colons; `null` leaves one out.",
      example: { EDITOR: "nano", MANPATH: ["/usr/share/man", "/opt/man"] },
    }),
    sessionVariables: mkOption({
      type: variables,
      default: {},
      description: "Environment variables of every session, whether or not it has a shell. PAM sets them.",
      example: { LANG: "C.UTF-8" },
    }),
    shellAliases: mkOption({
      type: t.attrsOf(t.nullOr(t.str)),
      default: {},
      description: "Aliases of interactive shells; `null` removes one.",
      example: { ll: "ls -l" },
    }),
    shellInit: lines("Shell text that every log-in shell runs.", "umask 027"),
    loginShellInit: lines("Shell text that log-in shells run after that.", "date"),
    interactiveShellInit: lines("Shell text that interactive shells run.", "stty -ixon"),
    pathsBefore: mkOption({
      type: t.listOf(t.path),
      default: [],
      description: "Directories that come before all others in PATH.",
      example: ["/opt/tools/bin"],
    }),
  },
});

/** Directories of programs: set-user-id programs, the administrator's own, the packages'. */
const standardPath = ["/run/wrappers/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

type Variables = { readonly [name: string]: string | number | readonly string[] | null };

/** Write variables as a shell script that exports them. */
export function exportLines(all: Variables): string {
  return assignments(all)
    .map(([name, value]) => `export ${name}=${sh(value) || "''"}\n`)
    .join("");
}

function assignments(all: Variables): [string, string][] {
  return Object.entries(all)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [name, typeof value === "object" && value !== null ? value.join(":") : String(value)]);
}

/** The module that sets the environment of shells and sessions. */
export default defineModule<Std>({
  key: "config/shells-environment",
  options,
  config: ({ config }) => {
    const cfg = config.environment;
    return define({
      environment: {
        sessionVariables: { PATH: mkDefault(() => [...cfg.pathsBefore, ...standardPath]) },
        shellAliases: { ls: mkDefault("ls --color=auto"), ll: mkDefault("ls -l"), l: mkDefault("ls -alh") },
        etc: mkMerge([
          {
            "set-environment": { text: () => exportLines({ ...cfg.sessionVariables, ...cfg.variables }) },
            // PAM's syntax has no escapes: a value reaches to the end of its line.
            environment: {
              text: () =>
                assignments(cfg.sessionVariables)
                  .filter(([, value]) => !value.includes("\n"))
                  .map(([name, value]) => `${name}="${value}"\n`)
                  .join(""),
            },
          },
        ]),
      },
    });
  },
});
