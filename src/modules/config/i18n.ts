/**
 * Locales. `C.UTF-8` is part of the C library; every other locale is compiled at build time, and only those that are asked for.
 */
import { declareOptions, define, defineModule, mkIf, mkOption, t } from "../../lib/index.ts";
import type { PackageSet } from "../../packages/index.ts";
import type { Derivation } from "../../store/index.ts";
import type { Std } from "../index.ts";
import { sh } from "../shell.ts";

const localeName = "[A-Za-z0-9_.@-]+";

export const options = declareOptions({
  i18n: {
    defaultLocale: mkOption({
      type: t.strMatching(localeName),
      default: "C.UTF-8",
      description: "Language of messages, format of dates and numbers.",
      example: "nl_NL.UTF-8",
    }),
    extraLocaleSettings: mkOption({
      type: t.attrsOf(t.str),
      default: {},
      description: "Further locale variables.",
      example: { LC_TIME: "de_DE.UTF-8" },
    }),
    supportedLocales: mkOption({
      type: t.listOf(t.strMatching(`${localeName}(/${localeName})?`)),
      defaultText: "the locales that defaultLocale and extraLocaleSettings name",
      description: "Locales to compile, with their character set.",
      example: ["en_US.UTF-8/UTF-8", "nl_NL/ISO-8859-1"],
    }),
  },
});

/** Locales that the C library has without an archive. */
const builtIn = /^(C|POSIX|C\.UTF-?8|C\.utf8)$/i;

/** `en_US.UTF-8` → what localedef needs: the input `en_US` and the character set. */
export function localeSource(locale: string): {
  readonly name: string;
  readonly input: string;
  readonly charset: string;
} {
  const [name = "", given] = locale.split("/");
  const [, language = name, codeset, modifier = ""] = /^([^.@]+)(?:\.([^@]+))?(@.+)?$/.exec(name) ?? [];
  return { name, input: `${language}${modifier}`, charset: given ?? codeset ?? "ISO-8859-1" };
}

/** Compile locales into one archive, at usr/lib/locale/locale-archive. */
export function buildLocales(pkgs: PackageSet, locales: readonly string[]): Derivation {
  const tree = pkgs.mergedTree("locales", [pkgs["locales"]!, pkgs["libc-bin"]!]);
  const sources = locales.map(localeSource);
  const script = `
set -e
mkdir -p "$out/usr/lib/locale" /build/i18n/charmaps
cp -R ${tree}/usr/share/i18n/locales /build/i18n/
export I18NPATH=/build/i18n
${[...new Set(sources.map((source) => source.charset))]
  .map(
    (charset) =>
      `gzip -dc ${sh(`${tree}/usr/share/i18n/charmaps/${charset}.gz`)} > /build/i18n/charmaps/${sh(charset)}`,
  )
  .join("\n")}
${sources
  .map(
    ({ name, input, charset }) =>
      `run localedef --prefix="$out" -i ${sh(input)} -f /build/i18n/charmaps/${sh(charset)} ${sh(name)}`,
  )
  .join("\n")}
`;
  return pkgs.runCommand("locales", { tree }, script);
}

export default defineModule<Std>({
  key: "config/i18n",
  options,
  defaults: ({ config }) =>
    define({
      i18n: {
        supportedLocales: () => [
          ...new Set(
            [config.i18n.defaultLocale, ...Object.values(config.i18n.extraLocaleSettings)].map(
              (name) => `${name}/${localeSource(name).charset}`,
            ),
          ),
        ],
      },
    }),
  config: ({ config, pkgs }) => {
    const compiled = () => config.i18n.supportedLocales.filter((locale) => !builtIn.test(localeSource(locale).name));
    const settings = () => ({ LANG: config.i18n.defaultLocale, ...config.i18n.extraLocaleSettings });
    const text = () =>
      Object.entries(settings())
        .map(([name, value]) => `${name}=${value}\n`)
        .join("");
    return define({
      environment: {
        sessionVariables: () => settings(),
        etc: { "locale.conf": { text }, "default/locale": { text } },
        extraSetup: mkIf(
          () => compiled().length > 0,
          () =>
            `mkdir -p "$out/usr/lib/locale" && ln -sf ${buildLocales(pkgs, compiled())}/usr/lib/locale/locale-archive "$out/usr/lib/locale/locale-archive"\n`,
        ),
      },
    });
  },
});
