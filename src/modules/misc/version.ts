/**
 * What the machine says it is: release, label, state version.
 */
import { declareOptions, define, defineModule, mkOption, t } from "../../lib/index.ts";
import type { Std } from "../index.ts";

/** The release of osmod that machines are built with. */
export const release = "0.1";

export const options = declareOptions({
  system: {
    stateVersion: mkOption({
      type: t.str,
      default: release,
      description:
        "Release whose conventions the machine's state follows. Set it once, when the machine is first made, and leave it when osmod is updated.",
      example: "0.1",
    }),
    osmod: {
      release: mkOption({
        type: t.str,
        default: release,
        readOnly: true,
        description: "Release of osmod, for example `0.1`.",
        example: "0.1",
      }),
      version: mkOption({
        type: t.str,
        default: release,
        internal: true,
        description: "Full version of osmod and of what it was built from.",
        example: "0.1.20261123",
      }),
      label: mkOption({
        type: t.strMatching("[a-zA-Z0-9:_.-]*"),
        description: "Label of this configuration, shown at boot and in the state directory.",
        defaultText: "config.system.osmod.version",
        example: "before-upgrade",
      }),
    },
  },
});

export default defineModule<Std>({
  key: "misc/version",
  options,
  defaults: ({ config }) => define({ system: { osmod: { label: () => config.system.osmod.version } } }),
  config: ({ config }) =>
    define({
      environment: {
        etc: {
          "osmod-release": {
            text: () =>
              [
                `OSMOD_RELEASE=${config.system.osmod.release}`,
                `OSMOD_VERSION=${config.system.osmod.version}`,
                `OSMOD_LABEL=${config.system.osmod.label}`,
                "",
              ].join("\n"),
          },
        },
      },
    }),
});
