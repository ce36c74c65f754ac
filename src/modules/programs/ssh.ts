/**
 * The SSH client, and the machines it knows.
 */
import { declareOptions, define, defineModule, mkEnableOption, mkIf, mkOption, t } from "../../lib/index.ts";
import type { Std } from "../index.ts";

export const options = declareOptions({
  programs: {
    ssh: {
      enable: mkEnableOption("the SSH client; the SSH daemon brings it along"),
      extraConfig: mkOption({
        type: t.lines,
        default: "",
        description: "Lines of the client's configuration, see ssh_config(5). They come first, so they win.",
        example: "Host *.example.org\n  ForwardAgent yes",
      }),
      knownHosts: mkOption({
        type: t.attrsOf(
          t.submodule({
            hostNames: mkOption({
              type: t.listOf(t.nonEmptyStr),
              default: [],
              defaultText: "[<name>]",
              description: "Names and addresses of the machine; none for the name of the entry.",
              example: ["web1", "192.168.1.10"],
            }),
            publicKey: mkOption({
              type: t.singleLineStr,
              description: "The machine's public key.",
              example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…",
            }),
            certAuthority: mkOption({
              type: t.bool,
              default: false,
              description: "Whether the key signs the keys of machines, instead of being one.",
              example: true,
            }),
          }),
        ),
        default: {},
        description: "Machines whose keys are known, by name.",
        example: { web1: { publicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…" } },
      }),
    },
  },
});

/** The module that configures the SSH client. */
export default defineModule<Std>({
  key: "programs/ssh",
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.programs.ssh;
    const used = () => cfg.enable || config.services.openssh.enable;
    return define({
      environment: {
        systemPackages: mkIf(
          () => cfg.enable,
          () => [pkgs["openssh-client"]!],
        ),
        etc: {
          "ssh/ssh_config": mkIf(used, {
            text: () =>
              [
                cfg.extraConfig.trimEnd(),
                "Include /etc/ssh/ssh_config.d/*.conf",
                "Host *",
                "  GlobalKnownHostsFile /etc/ssh/ssh_known_hosts",
                "  SendEnv LANG LC_*",
                "",
              ]
                .filter((line, at, all) => line !== "" || at === all.length - 1)
                .join("\n"),
          }),
          "ssh/ssh_known_hosts": mkIf(() => Object.keys(cfg.knownHosts).length > 0, {
            text: () =>
              Object.entries(cfg.knownHosts)
                .map(([name, host]) => {
                  const names = (host.hostNames.length === 0 ? [name] : host.hostNames).join(",");
                  return `${host.certAuthority ? "@cert-authority " : ""}${names} ${host.publicKey}\n`;
                })
                .join(""),
          }),
        },
      },
    });
  },
});
