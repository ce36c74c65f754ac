/**
 * The time zone, and what the hardware clock runs on.
 */
import { declareOptions, define, defineModule, mkIf, mkOption, t } from "../../lib/index.ts";
import type { Std } from "../index.ts";

export const options = declareOptions({
  time: {
    timeZone: mkOption({
      type: t.nullOr(t.strMatching("[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")),
      default: null,
      description: "Time zone, a name below /usr/share/zoneinfo. When null it is UTC.",
      example: "Europe/Amsterdam",
    }),
    hardwareClockInLocalTime: mkOption({
      type: t.bool,
      default: false,
      description: "Whether the hardware clock shows local time instead of UTC.",
      example: true,
    }),
  },
});

export default defineModule<Std>({
  key: "config/timezone",
  options,
  config: ({ config, pkgs }) => {
    const zone = () => config.time.timeZone ?? "Etc/UTC";
    return define({
      environment: {
        systemPackages: () => [pkgs["tzdata"]!],
        etc: {
          localtime: { source: () => `/usr/share/zoneinfo/${zone()}`, mode: "symlink" },
          timezone: { text: () => `${zone()}\n` },
          adjtime: mkIf(() => config.time.hardwareClockInLocalTime, { text: "0.0 0 0.0\n0\nLOCAL\n" }),
        },
      },
    });
  },
});
