/**
 * Files and directories that are made, checked and cleaned at boot and by time: systemd-tmpfiles.
 *
 *     systemd.tmpfiles.settings.app."/var/lib/app".d = { user: "app", mode: "0750" }
 *       →  /etc/tmpfiles.d/app.conf:  d "/var/lib/app" 0750 app - - -
 */
import { declareOptions, define, defineModule, mapAttrsTo, mkIf, mkMerge, mkOption, t } from "../../../../lib/index.ts";
import type { Std } from "../../../index.ts";

const field = (description: string, example: string) =>
  mkOption({
    type: t.strMatching("[^\\s]+"),
    default: "-",
    description: `${description} \`-\` is the default.`,
    example,
  });

export const options = declareOptions({
  systemd: {
    tmpfiles: {
      rules: mkOption({
        type: t.listOf(t.singleLineStr),
        default: [],
        description: "Lines in the format of tmpfiles.d(5).",
        example: ["d /tmp/cache 1777 root root 10d"],
      }),
      settings: mkOption({
        type: t.attrsOf(
          t.attrsOf(
            t.attrsOf(
              t.submodule({
                mode: field("Permissions of the file or directory.", "0755"),
                user: field("Owner.", "root"),
                group: field("Group.", "root"),
                age: field("Files below that are older than this are removed.", "10d"),
                argument: mkOption({
                  type: t.str,
                  default: "",
                  description: "Further argument: the content of a file, the target of a link.",
                  example: "../run",
                }),
              }),
            ),
          ),
        ),
        default: {},
        description: "The same as data: configuration file, then path, then type of the line, see tmpfiles.d(5).",
        example: { app: { "/var/lib/app": { d: { user: "app", mode: "0750" } } } },
      }),
    },
  },
});

/** The module that writes /etc/tmpfiles.d. */
export default defineModule<Std>({
  options,
  config: ({ config }) => {
    const cfg = config.systemd.tmpfiles;
    return define({
      environment: {
        etc: mkMerge([
          {
            "tmpfiles.d/00-osmod.conf": mkIf(() => cfg.rules.length > 0, { text: () => cfg.rules.join("\n") + "\n" }),
          },
          () =>
            mapAttrsTo(cfg.settings, (file, paths) => [
              `tmpfiles.d/${file}.conf`,
              define({
                text: () =>
                  Object.entries(paths)
                    .flatMap(([path, lines]) =>
                      Object.entries(lines).map(([type, line]) =>
                        [
                          type,
                          JSON.stringify(path),
                          line.mode,
                          line.user,
                          line.group,
                          line.age,
                          argument(line.argument),
                        ]
                          .join(" ")
                          .trimEnd(),
                      ),
                    )
                    .join("\n") + "\n",
              }),
            ]),
        ]),
      },
    });
  },
});

/** The argument reaches to the end of the line; C escapes stand for what a line cannot hold. */
function argument(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
