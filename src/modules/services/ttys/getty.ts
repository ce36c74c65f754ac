/**
 * Log-in prompts on terminals.
 *
 * systemd's generator starts a prompt on every terminal that the kernel writes to (`console=ttyS0`); the first virtual
 * terminal gets one too where there is a screen. Both use agetty, whose command line is set here.
 */
import { declareOptions, define, defineModule, mkDefault, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";
import { quoteArgument } from "../../system/boot/systemd/escape.ts";

export const options = declareOptions({
  services: {
    getty: {
      autologinUser: mkOption({
        type: t.nullOr(t.str),
        default: null,
        description: "User that is logged in without being asked for a password; `null` asks everybody.",
        example: "root",
      }),
      autologinOnce: mkOption({
        type: t.bool,
        default: false,
        description: "Whether `autologinUser` is logged in once after boot only, on the first terminal.",
        example: true,
      }),
      loginProgram: mkOption({
        type: t.path,
        default: "/usr/bin/login",
        description: "Program that asks for the password and starts the shell.",
        example: "/usr/bin/login",
      }),
      loginOptions: mkOption({
        type: t.nullOr(t.str),
        default: null,
        description: "Arguments of the log-in program, as agetty takes them: `\\u` stands for the user's name.",
        example: "-h darkstar -- \\u",
      }),
      extraArgs: mkOption({
        type: t.listOf(t.str),
        default: [],
        description: "Further arguments of agetty.",
        example: ["--nohostname"],
      }),
      greetingLine: mkOption({
        type: t.str,
        default: "Welcome to \\n (\\m) - \\l",
        description: "First line above the prompt; escapes as in agetty(8).",
        example: "\\S",
      }),
      helpLine: mkOption({
        type: t.lines,
        default: "",
        description: "Help that is shown below the greeting.",
        example: "Log in as root, there is no password.",
      }),
    },
  },
});

/** The module that sets up log-in prompts. */
export default defineModule<Std>({
  key: "services/ttys/getty",
  options,
  config: ({ config }) => {
    const cfg = config.services.getty;
    const login = (): string[] => {
      const options = cfg.loginOptions ?? (cfg.autologinUser === null ? "-- \\u" : null);
      const common = [
        "--login-program",
        quoteArgument(cfg.loginProgram),
        ...(options === null ? [] : ["--login-options", quoteArgument(options)]),
        ...(cfg.autologinUser === null || cfg.autologinOnce ? [] : ["--autologin", quoteArgument(cfg.autologinUser)]),
        ...cfg.extraArgs.map(quoteArgument),
      ];
      return common;
    };
    const prompt = (args: string) => ({
      overrideStrategy: "asDropin" as const,
      restartIfChanged: false,
      serviceConfig: { ExecStart: () => ["", `-${agetty(login(), cfg)} ${args}`] },
    });
    return define({
      systemd: {
        services: {
          "getty@": prompt("--noreset --noclear - ${TERM}"),
          "getty@tty1": { wantedBy: ["getty.target"] },
          "serial-getty@": prompt("--noreset --noclear --keep-baud 115200,57600,38400,9600 - ${TERM}"),
          "console-getty": prompt("--noreset --noclear --keep-baud 115200,57600,38400,9600 - ${TERM}"),
          "container-getty@": prompt("--noreset --noclear - ${TERM}"),
        },
      },
      environment: {
        etc: {
          issue: {
            text: mkDefault(() =>
              [`${cfg.greetingLine}\n`, ...(cfg.helpLine === "" ? [] : [`${cfg.helpLine.trimEnd()}\n`]), "\n"].join(""),
            ),
          },
        },
      },
    });
  },
});

function agetty(
  args: readonly string[],
  cfg: { readonly autologinUser: string | null; readonly autologinOnce: boolean },
): string {
  const direct = ["/usr/sbin/agetty", ...args].join(" ");
  if (cfg.autologinUser === null || !cfg.autologinOnce) return direct;
  // The mark lies in memory, so it is gone after the next boot.
  const once = ["/usr/sbin/agetty", "--autologin", quoteArgument(cfg.autologinUser), ...args].join(" ");
  return `/bin/sh -c 'if mkdir /run/autologin-done 2>/dev/null; then exec ${once} "$$@"; else exec ${direct} "$$@"; fi' agetty`;
}
