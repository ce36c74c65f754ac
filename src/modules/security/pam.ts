/**
 * PAM as Debian configures it.
 *
 * Services of Debian include `common-auth` and its siblings, which pam-auth-update makes from templates and from the
 * profiles that packages ship. The same is done here, at build time, from the packages that the machine has; so a package with a
 * PAM module takes effect by being installed, as it does on Debian. What belongs to one service is a file of `environment.etc`.
 */
import { declareOptions, define, defineModule, mkIf, mkMerge, mkOption, t } from "../../lib/index.ts";
import type { PackageSet } from "../../packages/index.ts";
import type { Derivation } from "../../store/index.ts";
import type { Std } from "../index.ts";

export const options = declareOptions({
  security: {
    pam: {
      enabledProfiles: mkOption({
        type: t.listOf(t.str),
        default: [],
        description: "Profiles of /usr/share/pam-configs that are off unless asked for.",
        example: ["mkhomedir"],
      }),
      disabledProfiles: mkOption({
        type: t.listOf(t.str),
        default: [],
        description: "Profiles of /usr/share/pam-configs to leave out although their package wants them.",
        example: ["systemd"],
      }),
      loginLimits: mkOption({
        default: [],
        description: "Limits for sessions, for limits.conf(5).",
        example: [{ domain: "@users", type: "hard", item: "nofile", value: 4096 }],
        type: t.listOf(
          t.submodule({
            domain: mkOption({ type: t.str, description: "Account, @group or *.", example: "@users" }),
            type: mkOption({
              type: t.enum(["hard", "soft", "-"]),
              default: "-",
              description: "Kind of limit.",
              example: "hard",
            }),
            item: mkOption({ type: t.str, description: "What is limited.", example: "nofile" }),
            value: mkOption({ type: t.either(t.int, t.str), description: "The limit.", example: 4096 }),
          }),
        ),
      }),
    },
  },
});

/** The kinds of common file and the profile fields that feed them. */
const kinds = ["auth", "account", "password", "session", "session-noninteractive"] as const;

/**
 * Reads all profiles and one template; writes the template with its blocks filled.
 *
 *   -v kind=session -v enabled="mkhomedir" -v disabled=""   profile… template
 *
 * Profiles come in the order of their priority, then name. In a primary block the first profile uses its `-Initial` lines; `end` in a
 * control means: past the block and the refusal that follows it. Without any primary module the block is one that goes on.
 */
const authUpdate = `
function base(path) { sub(/.*\\//, "", path); return path }
FNR == 1 { field = "" }
FILENAME ~ /\\/common-[a-z-]*$/ { template[++nt] = $0; next }
FNR == 1 { profile = base(FILENAME); names[++np] = profile; priority[profile] = 0 }
/^[A-Za-z-]+:/ {
  field = $0; sub(/:.*/, "", field); value = $0; sub(/^[^:]*:[ \\t]*/, "", value)
  if (field == "Default") isDefault[profile] = (value == "yes")
  else if (field == "Priority") priority[profile] = value + 0
  else { text[profile, field] = value }
  next
}
/^[ \\t]/ { line = $0; sub(/^[ \\t]+/, "", line); if (line != "") text[profile, field] = text[profile, field] (text[profile, field] == "" ? "" : "\\n") line }

function on(name) { return index(" " disabled " ", " " name " ") ? 0 : index(" " enabled " ", " " name " ") ? 1 : isDefault[name] }
function block(type, want, word,    i, j, k, n, name, list, first, lines, total, out, key, jump) {
  first = 1
  total = 0
  for (i = 1; i <= np; i++) {
    name = names[i]
    if (!on(name)) continue
    if (kind == "session-noninteractive" && text[name, "Session-Interactive-Only"] == "yes") continue
    key = word
    if (((name, word "-Type") in text ? text[name, word "-Type"] : "") != want) continue
    if (want == "Primary" && first && (name, word "-Initial") in text) key = word "-Initial"
    if (!((name, key) in text)) continue
    first = 0
    n = split(text[name, key], list, "\\n")
    for (j = 1; j <= n; j++) lines[++total] = list[j]
  }
  if (total == 0) return want == "Primary" ? type "\\t[default=1]\\t\\t\\tpam_permit.so\\n" : ""
  for (j = 1; j <= total; j++) {
    jump = total - j + (want == "Primary" ? 1 : 0)
    gsub(/=end/, "=" jump, lines[j])
    out = out type "\\t" lines[j] "\\n"
  }
  return out
}
END {
  for (i = 2; i <= np; i++) {
    x = names[i]
    for (j = i - 1; j > 0 && (priority[names[j]] < priority[x] || (priority[names[j]] == priority[x] && names[j] > x)); j--) names[j + 1] = names[j]
    names[j + 1] = x
  }
  type = kind; sub(/-.*/, "", type)
  word = toupper(substr(type, 1, 1)) substr(type, 2)
  for (i = 1; i <= nt; i++) {
    if (template[i] ~ /^\\$[a-z_]*_primary$/) printf "%s", block(type, "Primary", word)
    else if (template[i] ~ /^\\$[a-z_]*_additional$/) printf "%s", block(type, "Additional", word)
    else print template[i]
  }
}
`;

/** Make common-auth and its siblings from the machine's packages. */
function buildPam(
  pkgs: PackageSet,
  systemPath: Derivation,
  enabled: readonly string[],
  disabled: readonly string[],
): Derivation {
  const program = pkgs.writeText("pam-auth-update.awk", authUpdate);
  const script = `
set -e
mkdir -p "$out"
for kind in ${kinds.join(" ")}; do
  awk -v kind=$kind -v enabled="${enabled.join(" ")}" -v disabled="${disabled.join(" ")}" -f ${program} \\
    ${systemPath}/usr/share/pam-configs/* ${systemPath}/usr/share/pam/common-$kind > "$out/common-$kind"
done
`;
  return pkgs.runCommand("pam-common", {}, script);
}

export default defineModule<Std>({
  key: "security/pam",
  options,
  config: ({ config, pkgs }) => {
    const cfg = config.security.pam;
    return define({
      environment: {
        etc: mkMerge([
          () => {
            const common = buildPam(pkgs, config.system.path, cfg.enabledProfiles, cfg.disabledProfiles);
            return Object.fromEntries(
              kinds.map((kind) => [
                `pam.d/common-${kind}`,
                define<{ source: string }>({ source: `${common}/common-${kind}` }),
              ]),
            );
          },
          mkIf(() => cfg.loginLimits.length > 0, {
            "security/limits.d/50-osmod.conf": {
              text: () =>
                cfg.loginLimits.map(({ domain, type, item, value }) => `${domain} ${type} ${item} ${value}\n`).join(""),
            },
          }),
        ]),
      },
    });
  },
});
