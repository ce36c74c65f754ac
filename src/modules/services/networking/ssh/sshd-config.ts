/**
 * From the settings of the SSH daemon to the text of sshd_config. Pure.
 *
 * sshd takes the first value it sees for most keywords, so what modules know (ports, keys) stands first, then the
 * settings in alphabetical order, then the free text, whose `Match` blocks reach to the end of the file.
 */
import { fail } from "../../../../problems/index.ts";

/** A setting: `null` leaves it out. */
export type SshdSetting = null | boolean | number | string | readonly (boolean | number | string)[];

/** What {@link renderSshdConfig} reads: `services.openssh`. */
export interface SshdValue {
  readonly ports: readonly number[];
  readonly listenAddresses: readonly { readonly addr: string; readonly port: number | null }[];
  readonly hostKeys: readonly { readonly path: string }[];
  readonly authorizedKeysFiles: readonly string[];
  readonly allowSFTP: boolean;
  readonly sftpServerExecutable: string;
  readonly banner: string | null;
  readonly settings: { readonly [keyword: string]: SshdSetting };
  readonly extraConfig: string;
}

/** Keywords whose list of values is one word. */
const commaSeparated = new Set([
  "KexAlgorithms",
  "Ciphers",
  "MACs",
  "Macs",
  "HostKeyAlgorithms",
  "PubkeyAcceptedAlgorithms",
]);
/** Keywords whose list of values is one line. */
const spaceSeparated = new Set(["AllowUsers", "AllowGroups", "DenyUsers", "DenyGroups", "AuthenticationMethods"]);

/** Write sshd_config. `bannerFile` is where the banner's text lies. */
export function renderSshdConfig(cfg: SshdValue, bannerFile: string | null): string {
  return [
    ...cfg.ports.map((port) => `Port ${port}`),
    ...cfg.listenAddresses.map(
      ({ addr, port }) => `ListenAddress ${port === null ? addr : `${bracketed(addr)}:${port}`}`,
    ),
    ...cfg.hostKeys.map(({ path }) => `HostKey ${path}`),
    ...(cfg.authorizedKeysFiles.length === 0 ? [] : [`AuthorizedKeysFile ${cfg.authorizedKeysFiles.join(" ")}`]),
    ...(bannerFile === null ? [] : [`Banner ${bannerFile}`]),
    ...(cfg.allowSFTP ? [`Subsystem sftp ${cfg.sftpServerExecutable}`] : []),
    ...Object.entries(cfg.settings)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([keyword, value]) => settingLines(keyword, value)),
    ...(cfg.extraConfig === "" ? [] : [cfg.extraConfig.trimEnd()]),
    "",
  ].join("\n");
}

function settingLines(keyword: string, value: SshdSetting): string[] {
  if (value === null) return [];
  const words = (typeof value === "object" ? value : [value]).map((one) => word(keyword, one));
  if (words.length === 0) return [];
  if (commaSeparated.has(keyword)) return [`${keyword} ${words.join(",")}`];
  if (spaceSeparated.has(keyword)) return [`${keyword} ${words.join(" ")}`];
  return words.map((one) => `${keyword} ${one}`);
}

function word(keyword: string, value: boolean | number | string): string {
  const text = value === true ? "yes" : value === false ? "no" : String(value);
  if (/[\n\r]/.test(text)) {
    fail({
      code: "sshd-value-line-break",
      option: `services.openssh.settings.${keyword}`,
      message: `services.openssh.settings.${keyword} holds a line break, which would start another keyword`,
      fix: "Give a list to write the keyword several times, or use services.openssh.extraConfig.",
    });
  }
  return text;
}

function bracketed(address: string): string {
  return address.includes(":") && !address.startsWith("[") ? `[${address}]` : address;
}
