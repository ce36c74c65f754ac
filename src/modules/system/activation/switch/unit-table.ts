/**
 * The table of a machine's units that a switch compares: made once, when the machine is built, so that the guest neither
 * reads nor parses unit files.
 *
 *     U nginx.service <hash> <reload hash> <flags> <sockets>    what the unit says, drop-ins and all
 *     E nginx.service                                           a link enables it
 *     F /data <hash> <hash of the options>                      a line of fstab
 *     M <hash>                                                  configuration of systemd itself
 *
 * Two units with the same hash are equal as far as a switch is concerned. Left out of it are comments, order of drop-in
 * directories, `[Install]`, and directives that a running unit takes over by a mere reload of systemd. The reload hash is over
 * what a reload of the unit is enough for. Both follow NixOS's rules.
 */
import type { PackageSet } from "../../../../packages/index.ts";
import type { Derivation, StoreObject } from "../../../../store/index.ts";
import { sh } from "../../../shell.ts";

/** Configuration outside of unit files that belongs to a unit. */
export interface UnitFiles {
  /** Files or directories, relative to /etc or below /usr, whose change restarts the unit. */
  readonly restart: readonly string[];
  /** Those whose change reloads it. */
  readonly reload: readonly string[];
}

/** What is said about packaged units that do not say it themselves. */
export interface UnitTableSettings {
  readonly files: { readonly [unit: string]: UnitFiles };
  /** Units whose restart would cut off who is logged in, or the switch itself. */
  readonly neverRestarted: readonly string[];
  /** Units that are restarted in one go, because much waits for them. */
  readonly restartedAtOnce: readonly string[];
}

/** Build the table from the tree of packages and the finished tree of /etc (`etc/` in `etc`). */
export function buildUnitTable(
  pkgs: PackageSet,
  systemPath: Derivation,
  etc: StoreObject,
  settings: UnitTableSettings,
): Derivation {
  const lines = [
    ...Object.entries(settings.files).flatMap(([unit, { restart, reload }]) => [
      ...restart.map((path) => `restart ${unit} ${path}`),
      ...reload.map((path) => `reload ${unit} ${path}`),
    ]),
    ...settings.neverRestarted.map((unit) => `never ${unit}`),
    ...settings.restartedAtOnce.map((unit) => `atOnce ${unit}`),
  ];
  const files = pkgs.writeTree("unit-table-scripts", {
    "table.awk": { text: tableProgram },
    settings: { text: lines.map((line) => `${line}\n`).join("") },
  });
  return pkgs.runCommand("unit-table", {}, tableScript(`${systemPath}`, `${etc}/etc`, `${files}`));
}

/** The builder's script. Paths of this host's, for tests, do as well. */
export function tableScript(systemPath: string, etc: string, files: string, work = "/build"): string {
  return `
set -e
mkdir -p "$out" ${sh(work)}/texts
own=${sh(etc)}/systemd/system packaged=${sh(systemPath)}/usr/lib/systemd/system
list() { ( cd "$2" && find . \\( -type f -o -type l \\) ) | sed "s,^\\./,$1\\t," ; }
mkdir -p ${sh(work)}/none
[ -d "$own" ] || own=${sh(work)}/none
[ -d "$packaged" ] || packaged=${sh(work)}/none
{ list own "$own"; list packaged "$packaged"; } | LC_ALL=C sort > ${sh(work)}/list
# Links that mask or rename a unit.
( cd "$own" && find . -maxdepth 1 -type l ) | sed 's,^\\./,,' | while IFS= read -r name; do
  printf '%s\\t%s\\t%s\\n' own "$name" "$(readlink "$own/$name")"
done > ${sh(work)}/links
( cd "$packaged" && find . -maxdepth 1 -type l ) | sed 's,^\\./,,' | while IFS= read -r name; do
  printf '%s\\t%s\\t%s\\n' packaged "$name" "$(readlink "$packaged/$name")"
done >> ${sh(work)}/links
# One hash for each of the further files of a unit.
while read -r kind unit path; do
  case $kind in restart | reload) ;; *) continue ;; esac
  case $path in /usr/*) from=${sh(systemPath)} ;; *) from=${sh(etc)} ;; esac
  hash=$( cd "$from" && { find "./$path" -type f -print0 2> /dev/null | LC_ALL=C sort -z | xargs -0 -r md5sum; } | md5sum )
  printf '%s\\t%s\\t%s\\n' "$kind" "$unit" "$path=\${hash%% *}"
done < ${sh(files)}/settings > ${sh(work)}/extra
awk -v own="$own" -v packaged="$packaged" -v work=${sh(work)} -v settings=${sh(files)}/settings -f ${sh(files)}/table.awk ${sh(work)}/links ${sh(work)}/extra ${sh(work)}/list > ${sh(work)}/rows
( cd ${sh(work)}/texts && find . -type f | sed 's,^\\./,,' | xargs -r md5sum ) > ${sh(work)}/hashes
{
  awk 'NR == FNR { hash[$2] = $1; next } $1 == "U" { $3 = hash[$3 ".text"]; $4 = ($4 == "-" ? "-" : hash[$4 ".reload"]) } { print }' ${sh(work)}/hashes ${sh(work)}/rows
  [ ! -e ${sh(etc)}/fstab ] || grep -v '^[[:space:]]*\\(#\\|$\\)' ${sh(etc)}/fstab | while read -r device where type options rest; do
    printf 'F %s %s:%s %s\\n' "$where" "$device" "$type" "$options"
  done
  printf 'M %s\\n' "$( cd ${sh(etc)} && cat systemd/system.conf systemd/system.conf.d/* 2> /dev/null | md5sum | cut -c1-32 )"
} > "$out/units"
`;
}

/**
 * Reads links, further files, and the list of unit files; writes each unit's text to a file of its own and a row for each
 * unit. Busybox' awk.
 */
export const tableProgram = String.raw`
BEGIN {
  FS = "\t"
  while ((getline line < settings) > 0) {
    split(line, word, " ")
    if (word[1] == "never") never[word[2]] = 1
    if (word[1] == "atOnce") atOnce[word[2]] = 1
  }
  n = split("Description Documentation OnFailure OnSuccess OnFailureJobMode IgnoreOnIsolate StopWhenUnneeded RefuseManualStart RefuseManualStop AllowIsolation CollectMode SourcePath", names, " ")
  for (i = 1; i <= n; i++) ignored[names[i]] = 1
}
function base(path) { sub(/.*\//, "", path); return path }
# links: whose tree, name, target
FILENAME ~ /\/links$/ {
  if ($1 == "packaged" && ($2 in link || $2 in masked)) next
  if ($3 == "/dev/null") masked[$2] = 1
  else if (base($3) != $2) link[$2] = base($3)
  next
}
FILENAME ~ /\/extra$/ { extra[$2] = extra[$2] $1 " " $3 "\n"; next }
# list: whose tree, path below it
{
  tree = $1 == "own" ? own : packaged
  if (match($2, /\.(wants|requires|upholds)\//)) { enabled[substr($2, RSTART + RLENGTH)] = 1; next }
  if (match($2, /\.d\/[^\/]*\.conf$/)) {
    unit = substr($2, 1, RSTART - 1); name = substr($2, RSTART + 3)
    # An own drop-in takes the place of a packaged one of the same name.
    if ((unit, name) in dropin && $1 == "packaged") next
    if (!((unit, name) in dropin)) dropins[unit] = dropins[unit] name "\t"
    dropin[unit, name] = tree "/" $2
    if ($1 == "own") changedByOwn[unit] = 1
    next
  }
  if ($2 ~ /\// || $2 in masked || $2 in link) next
  if ($2 in file && $1 == "packaged") next
  if (!($2 in file)) order[++count] = $2
  file[$2] = tree "/" $2
}
END {
  # A unit that has drop-ins only: an instance of a template, or one that a generator makes.
  for (unit in dropins) if (!(unit in file) && unit ~ /.\..*/ && !(unit in masked)) { order[++count] = unit; file[unit] = "" }
  for (i = 1; i <= count; i++) describe(order[i], i)
  for (unit in enabled) print "E " unit
}
function describe(unit, number,    text, kind, flags, parts, dash) {
  body = ""; reload = ""; section = ""; sockets = ""; type = ""
  delete value
  template = unit; sub(/@[^@]*\./, "@.", template)
  kind = unit; sub(/.*\./, "", kind)
  if (file[unit] != "") read(file[unit])
  else if (template in file && file[template] != "") read(file[template])
  readDropins(kind)
  dash = unit
  for (parts = 0; match(dash, /-[^-]*$/) && parts < 8; parts++) {
    dash = substr(dash, 1, RSTART - 1)
    readDropins(dash "-." kind)
  }
  if (template != unit) readDropins(template)
  readDropins(unit)
  m = split(extra[unit], more, "\n")
  for (j = 1; j < m; j++) if (more[j] ~ /^reload/) reload = reload more[j] "\n"; else body = body more[j] "\n"
  flags = ""
  if (!("X-RestartIfChanged" in value) && (unit in never || template in never)) value["X-RestartIfChanged"] = "no"
  if (!("X-StopIfChanged" in value) && unit in atOnce) value["X-StopIfChanged"] = "no"
  if (no("X-RestartIfChanged")) flags = flags "r"
  if (no("X-StopIfChanged")) flags = flags "s"
  if (yes("X-ReloadIfChanged")) flags = flags "l"
  if (yes("RefuseManualStop")) flags = flags "k"
  if (yes("RefuseManualStart")) flags = flags "m"
  if (yes("X-OnlyManualStart")) flags = flags "o"
  if (no("X-StopOnRemoval")) flags = flags "n"
  if (yes("X-StopOnReconfiguration")) flags = flags "c"
  if (value["ExecReload"] != "" || value["Type"] == "notify-reload" || kind == "mount") flags = flags "a"
  printf "%s", body > (work "/texts/" number ".text")
  close(work "/texts/" number ".text")
  if (reload != "") { printf "%s", reload > (work "/texts/" number ".reload"); close(work "/texts/" number ".reload") }
  gsub(/[ \t]+/, ",", value["Sockets"])
  print "U " unit " " number " " (reload == "" ? "-" : number) " " (flags == "" ? "-" : flags) " " (value["Sockets"] == "" ? "-" : value["Sockets"])
}
function no(key) { return value[key] ~ /^(no|false|0|off|n|f)$/ }
function yes(key) { return value[key] ~ /^(yes|true|1|on|y|t)$/ }
# The order of drop-ins is that of their names.
function readDropins(unit,    list, n, i, j, swap) {
  n = split(dropins[unit], list, "\t") - 1
  for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j - 1] > list[j]; j--) { swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap }
  for (i = 1; i <= n; i++) read(dropin[unit, list[i]])
}
function read(path,    line, key, content, pending) {
  section = ""; pending = ""
  while ((getline line < path) > 0) {
    sub(/^[ \t]+/, "", line)
    if (line ~ /^[#;]/) continue
    if (line ~ /\\$/) { pending = pending substr(line, 1, length(line) - 1) " "; continue }
    line = pending line; pending = ""
    sub(/[ \t]+$/, "", line)
    if (line == "") continue
    if (line ~ /^\[/) { section = line; continue }
    if (section == "[Install]") continue
    key = line; sub(/[ \t]*=.*/, "", key)
    content = line; sub(/^[^=]*=[ \t]*/, "", content)
    if (content == "" && key !~ /^Exec/) value[key] = ""
    else value[key] = content
    if (section == "[Unit]" && key in ignored) continue
    if (key == "X-Reload-Triggers" || (section == "[Mount]" && key == "Options")) reload = reload content "\n"
    else if (key !~ /^X-(RestartIfChanged|StopIfChanged|ReloadIfChanged|OnlyManualStart|StopOnRemoval|StopOnReconfiguration)$/) body = body section key "=" content "\n"
  }
  close(path)
}
`;
