/**
 * bash: what it reads at start, /etc/profile and /etc/bash.bashrc.
 */
import { declareOptions, defineModule, mkIf, mkOption, t } from "../../lib/index.ts";
import type { Std } from "../index.ts";
import { sh } from "../shell.ts";

const lines = (description: string, example: string) => mkOption({ type: t.lines, default: "", description, example });

export const options = declareOptions({
  programs: {
    bash: {
      enable: mkOption({
        type: t.bool,
        default: true,
        description: "Whether the files that bash reads at start are written from the configuration.",
        example: false,
      }),
      shellAliases: mkOption({
        type: t.attrsOf(t.nullOr(t.str)),
        default: {},
        description: "Aliases of bash, beside `environment.shellAliases`; `null` removes one.",
        example: { gs: "git status" },
      }),
      shellInit: lines("Shell text that log-in shells run first.", "ulimit -c 0"),
      loginShellInit: lines("Shell text that log-in shells run.", "uptime"),
      interactiveShellInit: lines("Shell text that interactive shells run.", "shopt -s globstar"),
      logout: lines("Shell text that log-in shells run when they end.", "clear"),
      promptInit: mkOption({
        type: t.lines,
        default: `if [ "$(id -u)" -eq 0 ]; then
  PS1='\\[\\e[1;31m\\]\\u@\\h\\[\\e[0m\\]:\\w\\$ '
else
  PS1='\\[\\e[1;32m\\]\\u@\\h\\[\\e[0m\\]:\\w\\$ '
fi`,
        defaultText: "user, machine and directory; red for root, green for others",
        description: "Shell text that sets the prompt.",
        example: "PS1='\\w \\$ '",
      }),
      completion: {
        enable: mkOption({
          type: t.bool,
          default: false,
          description:
            "Whether the Tab key completes options and arguments of many programs. Costs some start-up time.",
          example: true,
        }),
      },
    },
  },
});

/** The module that writes bash's files. */
export default defineModule<Std>({
  key: "programs/bash",
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.programs.bash;
    const environment = config.environment;
    const aliases = (): string[] =>
      Object.entries({ ...environment.shellAliases, ...cfg.shellAliases })
        .filter(([, value]) => value !== null)
        .map(([name, value]) => `alias -- ${sh(`${name}=${value}`)}`);
    return mkIf(() => cfg.enable, {
      environment: {
        systemPackages: () => [pkgs["bash"]!, ...(cfg.completion.enable ? [pkgs["bash-completion"]!] : [])],
        etc: {
          profile: {
            text: () =>
              file("read by log-in shells", [
                ". /etc/set-environment",
                cfg.shellInit,
                environment.shellInit,
                cfg.loginShellInit,
                environment.loginShellInit,
                'for file in /etc/profile.d/*.sh; do\n  [ ! -r "$file" ] || . "$file"\ndone\nunset file',
                'if [ -n "$BASH_VERSION" ] && [ -n "$PS1" ]; then\n  . /etc/bash.bashrc\nfi',
              ]),
          },
          "bash.bashrc": {
            text: () =>
              file("read by interactive shells", [
                "case $- in *i*) ;; *) return ;; esac",
                "shopt -s checkwinsize",
                cfg.promptInit,
                aliases().join("\n"),
                cfg.completion.enable
                  ? "if [ -r /usr/share/bash-completion/bash_completion ]; then\n  . /usr/share/bash-completion/bash_completion\nfi"
                  : "",
                environment.interactiveShellInit,
                cfg.interactiveShellInit,
              ]),
          },
          "bash.bash_logout": { text: () => file("read by log-in shells that end", [cfg.logout]) },
        },
      },
    });
  },
});

function file(purpose: string, parts: readonly string[]): string {
  return [
    `# Made from the machine's configuration; ${purpose}.`,
    ...parts.filter((part) => part.trim() !== "").map((part) => part.trimEnd()),
    "",
  ].join("\n");
}
