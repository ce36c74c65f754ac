/**
 * sudo, with Debian's group `sudo` and NixOS' group `wheel` allowed everything.
 */
import { declareOptions, defineModule, mkIf, mkOption, t } from "../../lib/index.ts";
import type { Std } from "../index.ts";

const specs = t.listOf(t.str);

export const options = declareOptions({
  security: {
    sudo: {
      enable: mkOption({
        type: t.bool,
        default: true,
        description: "Whether sudo is there.",
        example: false,
      }),
      wheelNeedsPassword: mkOption({
        type: t.bool,
        default: true,
        description: "Whether members of the groups sudo and wheel are asked for their password.",
        example: false,
      }),
      extraRules: mkOption({
        default: [],
        description: "Further rules; later ones win.",
        example: [{ groups: ["backup"], commands: [{ command: "/usr/bin/rsync", options: ["NOPASSWD"] }] }],
        type: t.listOf(
          t.submodule({
            users: mkOption({ type: specs, default: [], description: "Accounts the rule is for.", example: ["alice"] }),
            groups: mkOption({ type: specs, default: [], description: "Groups the rule is for.", example: ["backup"] }),
            host: mkOption({ type: t.str, default: "ALL", description: "Hosts the rule is for.", example: "ALL" }),
            runAs: mkOption({
              type: t.str,
              default: "ALL:ALL",
              description: "Accounts and groups the commands may run as.",
              example: "postgres",
            }),
            commands: mkOption({
              description: "What the rule allows.",
              example: [{ command: "ALL", options: ["NOPASSWD"] }],
              type: t.listOf(
                t.submodule({
                  command: mkOption({
                    type: t.str,
                    description: "A command with its path, or ALL.",
                    example: "/usr/bin/rsync",
                  }),
                  options: mkOption({
                    type: t.listOf(
                      t.enum([
                        "NOPASSWD",
                        "PASSWD",
                        "NOEXEC",
                        "EXEC",
                        "SETENV",
                        "NOSETENV",
                        "LOG_INPUT",
                        "NOLOG_INPUT",
                        "LOG_OUTPUT",
                        "NOLOG_OUTPUT",
                      ]),
                    ),
                    default: [],
                    description: "Tags of the command.",
                    example: ["NOPASSWD"],
                  }),
                }),
              ),
            }),
          }),
        ),
      }),
      extraConfig: mkOption({
        type: t.lines,
        default: "",
        description: "Further lines for /etc/sudoers.",
        example: 'Defaults lecture = "never"',
      }),
    },
  },
});

/** One rule, as read. */
export interface SudoRule {
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly host: string;
  readonly runAs: string;
  readonly commands: readonly { readonly command: string; readonly options: readonly string[] }[];
}

/** The lines of sudoers for a rule, one for each account and group. */
export function sudoersLines(rule: SudoRule): readonly string[] {
  const commands = rule.commands
    .map(({ command, options }) => [...options.map((tag) => `${tag}:`), command].join(" "))
    .join(", ");
  return [...rule.users, ...rule.groups.map((group) => `%${group}`)].map(
    (who) => `${who} ${rule.host}=(${rule.runAs}) ${commands}`,
  );
}

export default defineModule<Std>({
  key: "security/sudo",
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.security.sudo;
    return mkIf(() => cfg.enable, {
      environment: {
        systemPackages: () => [pkgs["sudo"]!],
        etc: {
          sudoers: {
            mode: "0440",
            text: () =>
              [
                "# Made from security.sudo; changes are lost at the next activation.",
                "Defaults env_reset",
                "Defaults mail_badpass",
                'Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"',
                "Defaults use_pty",
                'Defaults env_keep += "TERMINFO TERMINFO_DIRS"',
                "root ALL=(ALL:ALL) ALL",
                ...["sudo", "wheel"].map(
                  (group) => `%${group} ALL=(ALL:ALL) ${cfg.wheelNeedsPassword ? "" : "NOPASSWD: "}ALL`,
                ),
                ...cfg.extraRules.flatMap(sudoersLines),
                cfg.extraConfig,
                "@includedir /etc/sudoers.d",
                "",
              ].join("\n"),
          },
        },
      },
    });
  },
});
