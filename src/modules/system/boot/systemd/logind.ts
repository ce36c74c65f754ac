/**
 * Log-in sessions: what happens to processes when a user leaves, and what the machine's buttons do.
 */
import { declareOptions, define, defineModule, mkOption, mkRenamedOptionModule, t } from "../../../../lib/index.ts";
import type { Std } from "../../../index.ts";
import { renderSections } from "./render.ts";
import { directive } from "./unit-types.ts";

const action = t.nullOr(
  t.enum(["ignore", "poweroff", "reboot", "halt", "kexec", "suspend", "hibernate", "hybrid-sleep", "lock"]),
);

export const options = declareOptions({
  services: {
    logind: {
      settings: {
        Login: mkOption({
          type: t.freeform(
            {
              KillUserProcesses: mkOption({
                type: t.nullOr(t.bool),
                default: false,
                description: "Whether a user's processes are ended when the user logs out.",
                example: true,
              }),
              HandlePowerKey: mkOption({
                type: action,
                default: "poweroff",
                description: "What the power button does; a virtual machine is shut down by it.",
                example: "ignore",
              }),
              HandleLidSwitch: mkOption({
                type: action,
                default: null,
                description: "What closing the lid does.",
                example: "ignore",
              }),
              NAutoVTs: mkOption({
                type: t.nullOr(t.ints.unsigned),
                default: null,
                description: "How many virtual terminals get a log-in prompt when one switches to them.",
                example: 2,
              }),
            },
            directive,
          ),
          default: {},
          description: "Settings of the `[Login]` section, see logind.conf(5).",
          example: { KillUserProcesses: true },
        }),
      },
      extraConfig: mkOption({
        type: t.lines,
        default: "",
        description: "Further lines of the `[Login]` section.",
        example: "IdleAction=lock",
      }),
    },
  },
});

/** The module that configures log-in sessions. */
export default defineModule<Std>({
  key: "system/boot/systemd/logind",
  imports: [
    mkRenamedOptionModule(
      ["services", "logind", "killUserProcesses"],
      ["services", "logind", "settings", "Login", "KillUserProcesses"],
    ),
  ],
  options,
  config: ({ config }) => {
    const cfg = config.services.logind;
    return define({
      environment: {
        etc: {
          "systemd/logind.conf": {
            text: () => renderSections("services.logind.settings", [["Login", cfg.settings.Login]]) + cfg.extraConfig,
          },
        },
      },
    });
  },
});
