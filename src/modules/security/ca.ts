/**
 * The certificate authorities that programs of the machine trust: what update-ca-certificates would make of
 * ca-certificates, plus the machine's own. `/etc/ssl/certs` is a link to the result.
 */
import { declareOptions, define, defineModule, mkOption, t } from "../../lib/index.ts";
import type { PackageSet } from "../../packages/index.ts";
import type { Derivation, StoreObject } from "../../store/index.ts";
import type { Std } from "../index.ts";
import { pathOrObject } from "../types.ts";

export const options = declareOptions({
  security: {
    pki: {
      certificates: mkOption({
        type: t.listOf(t.str),
        default: [],
        description: "Certificates to trust, as PEM text.",
        example: ["-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"],
      }),
      certificateFiles: mkOption({
        type: t.listOf(pathOrObject),
        default: [],
        description: "PEM files with certificates to trust, in the store.",
        example: [],
      }),
      caCertificateBlacklist: mkOption({
        type: t.listOf(t.str),
        default: [],
        description: "Files of /usr/share/ca-certificates that are not trusted.",
        example: ["mozilla/SecureTrust_CA.crt"],
      }),
    },
  },
});

/** The bundle, one file for each certificate, and OpenSSL's links by hash. */
function buildCertificates(
  pkgs: PackageSet,
  own: readonly string[],
  files: readonly (string | StoreObject)[],
  blacklist: readonly string[],
): Derivation {
  const tree = pkgs.mergedTree("ca-certificates", [pkgs["ca-certificates"]!]);
  const texts = pkgs.writeTree("certificates", {
    ...Object.fromEntries(
      own.map((text, index) => [`own/${index}.crt`, { text: text.endsWith("\n") ? text : `${text}\n` }]),
    ),
    blacklist: { text: blacklist.map((name) => `${name}\n`).join("") },
  });
  const script = `
set -e
mkdir -p "$out"
bundle=$out/ca-certificates.crt
: > "$bundle"
add() {
  name=\${1##*/}
  cp -L "$1" "$out/\${name%.crt}.pem"
  cat "$1" >> "$bundle"
  echo >> "$bundle"
}
cd ${tree}/usr/share/ca-certificates
find . -name '*.crt' | sed 's,^\\./,,' | LC_ALL=C sort | grep -vxFf ${texts}/blacklist > /build/list || true
[ -s ${texts}/blacklist ] || find . -name '*.crt' | sed 's,^\\./,,' | LC_ALL=C sort > /build/list
while read -r file; do add "$PWD/$file"; done < /build/list
for file in ${texts}/own/*.crt ${files.map(String).join(" ")}; do
  [ ! -e "$file" ] || add "$file"
done
run openssl rehash "$out"
`;
  return pkgs.runCommand("ca-certificates", { tree }, script);
}

export default defineModule<Std>({
  key: "security/ca",
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.security.pki;
    return define({
      environment: {
        systemPackages: () => [pkgs["ca-certificates"]!],
        etc: {
          "ssl/certs": {
            mode: "symlink",
            source: () => buildCertificates(pkgs, cfg.certificates, cfg.certificateFiles, cfg.caCertificateBlacklist),
          },
        },
      },
    });
  },
});
