/**
 * The journal: where log messages are kept, how many, and for how long.
 *
 * The daemon and its sockets are static units of systemd's package; only their configuration is made here. Storage is
 * `auto` as in Debian: kept on disk when /var/log/journal exists, which this module sees to unless told otherwise.
 */
import { declareOptions, define, defineModule, mkIf, mkOption, t } from "../../../../lib/index.ts";
import type { Std } from "../../../index.ts";
import { isInitrdMount } from "../../../tasks/filesystems.ts";

/** Where the journal on disk lies. */
const JOURNAL = "/var/log/journal";

export const options = declareOptions({
  services: {
    journald: {
      storage: mkOption({
        type: t.enum(["persistent", "volatile", "auto", "none"]),
        default: "persistent",
        description:
          "Where the journal is kept: on disk (`persistent`), in memory until the next boot (`volatile`), on disk if " +
          "/var/log/journal exists (`auto`), nowhere (`none`).",
        example: "volatile",
      }),
      rateLimitInterval: mkOption({
        type: t.str,
        default: "30s",
        description: "The time within which a service may write `rateLimitBurst` messages; more are dropped.",
        example: "10s",
      }),
      rateLimitBurst: mkOption({
        type: t.ints.unsigned,
        default: 10000,
        description: "How many messages a service may write within `rateLimitInterval`; 0 means no limit.",
        example: 0,
      }),
      console: mkOption({
        type: t.str,
        default: "",
        description: "Terminal that every message is also written to; empty for none.",
        example: "/dev/ttyS0",
      }),
      forwardToSyslog: mkOption({
        type: t.bool,
        default: false,
        description: "Whether messages are also given to a syslog daemon.",
        example: true,
      }),
      extraConfig: mkOption({
        type: t.lines,
        default: "",
        description: "Further lines of the `[Journal]` section, see journald.conf(5).",
        example: "SystemMaxUse=200M",
      }),
    },
  },
});

/** The module that configures the journal. */
export default defineModule<Std>({
  key: "system/boot/systemd/journald",
  options,
  config: ({ config }) => {
    const cfg = config.services.journald;
    const onDisk = () => cfg.storage === "persistent" || cfg.storage === "auto";
    // The journal's directory is there before systemd unless it is a file system that systemd mounts.
    const fromTheStart = () =>
      !Object.values(config.fileSystems).some((fs) => fs.mountPoint === JOURNAL && !isInitrdMount(fs));
    return define({
      environment: {
        etc: {
          "systemd/journald.conf": {
            text: () =>
              [
                "[Journal]",
                `Storage=${cfg.storage}`,
                `RateLimitIntervalSec=${cfg.rateLimitInterval}`,
                `RateLimitBurst=${cfg.rateLimitBurst}`,
                ...(cfg.console === "" ? [] : ["ForwardToConsole=yes", `TTYPath=${cfg.console}`]),
                `ForwardToSyslog=${cfg.forwardToSyslog ? "yes" : "no"}`,
                // The audit subsystem's messages cost much and say little on a small machine.
                "Audit=no",
                cfg.extraConfig,
              ]
                .join("\n")
                .trimEnd() + "\n",
          },
        },
      },
      // With this mark the daemon opens the journal on disk at once, so nothing has to be copied there from memory later.
      boot: {
        postBootCommands: mkIf(
          () => onDisk() && fromTheStart(),
          "mkdir -p /run/systemd/journal; : > /run/systemd/journal/flushed",
        ),
      },
      systemd: {
        units: mkIf(() => !onDisk() || fromTheStart(), { "systemd-journal-flush.service": { enable: false } }),
      },
    });
  },
});
