/**
 * Accounts, from the configuration to `/etc/passwd`.
 *
 * At build time the declared accounts become a table. At activation one awk program reads the table, the files of /etc, and the
 * numbers that accounts had before (`/var/lib/osmod/uid-map`, `gid-map`), and writes passwd, group and shadow anew. Files
 * that did not change are left alone.
 *
 *   table      G:name:gid:members   ·   U:name:uid:group:home:shell:kind:home mode:when:hash:description
 *   numbers    declared > remembered > what /etc has > first free, downwards from 999 for services, upwards from 1000 for people
 *   passwords  a mutable machine keeps what /etc/shadow has; else, and for new accounts, the declared one, else locked
 */
import { createHash } from "node:crypto";
import type { PackageSet } from "../../packages/index.ts";
import type { Derivation } from "../../store/index.ts";
import { sh } from "../shell.ts";

/** A declared account, as read. */
export interface Account {
  readonly name: string;
  readonly description: string;
  readonly uid: number | null;
  readonly isSystemUser: boolean;
  readonly isNormalUser: boolean;
  readonly group: string;
  readonly extraGroups: readonly string[];
  readonly home: string;
  readonly homeMode: string;
  readonly createHome: boolean;
  readonly shell: string;
  readonly hashedPassword: string | null;
  readonly hashedPasswordFile: string | null;
  readonly password: string | null;
  readonly initialHashedPassword: string | null;
  readonly initialPassword: string | null;
}

/** A declared group with all its members. */
export interface Group {
  readonly name: string;
  readonly gid: number | null;
  readonly members: readonly string[];
}

/** The table's line of a group. */
export function groupLine(group: Group): string {
  return `G:${group.name}:${group.gid ?? ""}:${group.members.join(",")}`;
}

/** The table's line of an account; `hash` stands for the hashed password. */
export function userLine(user: Account, hash: string): string {
  const kind = user.isNormalUser ? "normal" : "system";
  const when = user.initialHashedPassword !== null || user.initialPassword !== null ? "initial" : "always";
  const home = user.createHome ? user.homeMode : "";
  return [
    "U",
    user.name,
    user.uid ?? "",
    user.group,
    user.home,
    user.shell,
    kind,
    home,
    when,
    hash,
    user.description,
  ].join(":");
}

/** Where a user's declared hash comes from: the text itself, `@file` for a file of the machine, or `!` for none. */
function declaredHash(user: Account): string {
  if (user.hashedPasswordFile !== null) return `@${user.hashedPasswordFile}`;
  return user.hashedPassword ?? user.initialHashedPassword ?? "!";
}

/** Build the table. Clear-text passwords are hashed by the builder, with a salt that only depends on the account. */
export function buildSpec(
  pkgs: PackageSet,
  users: readonly Account[],
  groups: readonly Group[],
  mutable: boolean,
): Derivation {
  const lines = [
    `M:${mutable ? "mutable" : "declared"}`,
    ...groups.map(groupLine),
    ...users.map((user, index) => userLine(user, clearText(user) === null ? declaredHash(user) : `@hash${index}@`)),
  ];
  const table = pkgs.writeTree("users-table", {
    table: { text: `${lines.join("\n")}\n` },
    "users.awk": { text: mergeAccounts },
  });
  const hashed = users.flatMap((user, index) => {
    const password = clearText(user);
    if (password === null) return [];
    const salt = createHash("sha256").update(`${user.name}:${password}`).digest("hex").slice(0, 16);
    return [
      `hash=$(printf '%s\\n' ${sh(password)} | mkpasswd -m sha512 -S ${salt})`,
      `sed -i "s|:@hash${index}@:|:$hash:|" "$out/table"`,
    ];
  });
  const script = ["set -e", 'mkdir -p "$out"', `cp ${table}/* "$out/"`, 'chmod u+w "$out/table"', ...hashed].join("\n");
  return pkgs.runCommand("users", {}, script);
}

function clearText(user: Account): string | null {
  return user.password ?? user.initialPassword;
}

/**
 * The activation snippet for a built table. New homes are copies of the directory `skel`.
 *
 * Nothing is done when the same table was merged before and nobody wrote to the files since; unless `always`, for what the
 * files alone do not tell: passwords that are in files of their own, machines that take back what was changed by hand.
 */
export function usersActivation(spec: string, skel: string, always: boolean): string {
  return `
generation=
[ ! -e /var/lib/osmod/users.generation ] || read -r generation < /var/lib/osmod/users.generation
for file in passwd group shadow; do
  if [ ! -e /etc/$file ] || [ /etc/$file -nt /var/lib/osmod/users.generation ]; then generation=; fi
done
if [ "$generation" != ${spec} ]${always ? " || true" : ""}; then
  cd /etc
  for file in passwd group shadow /var/lib/osmod/uid-map /var/lib/osmod/gid-map; do [ -e $file ] || : > $file; done
  umask 0077
  awk -f ${spec}/users.awk ${spec}/table passwd group shadow /var/lib/osmod/uid-map /var/lib/osmod/gid-map > /run/osmod-accounts
  umask 0022
  while read -r what mode owner path; do
    case $what in
      file)
        [ "$mode" = 0600 ] || chmod $mode "$path.osmod"
        [ "$owner" = 0:0 ] || chown $owner "$path.osmod"
        mv -f "$path.osmod" "$path" ;;
      home)
        if [ ! -d "$path" ]; then
          mkdir -p "$path"
          [ ! -d ${skel} ] || cp -R ${skel}/. "$path/"
          chmod -R u+w "$path"
          chown -R $owner "$path"
          chmod $mode "$path"
        fi ;;
      warn) warn "$path" ;;
    esac
  done < /run/osmod-accounts
  echo ${spec} > /var/lib/osmod/users.generation
  cd /
fi
`;
}

/** The awk program (`-v root=` puts its files elsewhere); its output tells the snippet which files to put in place and which homes to make. */
export const mergeAccounts = `
BEGIN { FS = ":"; OFS = ":" }
FNR == 1 { file++; if (FILENAME == "passwd") file = 2; else if (FILENAME == "group") file = 3; else if (FILENAME == "shadow") file = 4; else if (FILENAME ~ /uid-map$/) file = 5; else if (FILENAME ~ /gid-map$/) file = 6; else file = 1 }
/^$/ { next }

file == 1 && $1 == "M" { mutable = ($2 == "mutable"); next }
file == 1 && $1 == "G" { gname[++ng] = $2; gid[$2] = $3; members[$2] = $4; declaredGroup[$2] = 1; next }
file == 1 && $1 == "U" {
  uname[++nu] = $2; uid[$2] = $3; ugroup[$2] = $4; home[$2] = $5; shell[$2] = $6; kind[$2] = $7; homemode[$2] = $8; when[$2] = $9; hash[$2] = $10
  gecos[$2] = $11; declaredUser[$2] = 1; next
}
file == 2 { old["passwd"] = old["passwd"] $0 "\\n"; hadUser[$1] = $3; userLine[$1] = $0; oldUsers[++nou] = $1; next }
file == 3 { old["group"] = old["group"] $0 "\\n"; hadGroup[$1] = $3; groupLine[$1] = $0; oldMembers[$1] = $4; oldGroups[++nog] = $1; next }
file == 4 { old["shadow"] = old["shadow"] $0 "\\n"; shadow[$1] = $0; next }
file == 5 { old["uid"] = old["uid"] $0 "\\n"; uidmap[$1] = $2; next }
file == 6 { old["gid"] = old["gid"] $0 "\\n"; gidmap[$1] = $2; next }

function firstFree(used, from, to, step,   id) {
  for (id = from; id != to + step; id += step) if (!(id in used)) return id
  print "warn - - no free number between " from " and " to
  return 65533
}
function put(path, text, before, mode, owner) {
  if (text == before) return
  path = root path
  printf "%s", text > (path ".osmod")
  close(path ".osmod")
  print "file " mode " " owner " " path
}
END {
  # Numbers of groups: fixed ones first, so that nobody else gets them; then remembered; then free.
  for (i = 1; i <= ng; i++) if (gid[gname[i]] != "") usedGid[gid[gname[i]]] = gname[i]
  if (mutable) for (i = 1; i <= nog; i++) if (!(oldGroups[i] in declaredGroup)) usedGid[hadGroup[oldGroups[i]]] = oldGroups[i]
  for (i = 1; i <= ng; i++) {
    name = gname[i]
    if (gid[name] != "") continue
    id = (name in gidmap) ? gidmap[name] : (name in hadGroup) ? hadGroup[name] : ""
    if (id != "" && !(id in usedGid)) { gid[name] = id; usedGid[id] = name }
  }
  for (name in gidmap) if (!(gidmap[name] in usedGid)) usedGid[gidmap[name]] = name
  for (i = 1; i <= ng; i++) {
    name = gname[i]
    if (gid[name] == "") { gid[name] = firstFree(usedGid, 984, 400, -1); usedGid[gid[name]] = name }
    gidmap[name] = gid[name]
  }
  # The same for users.
  for (i = 1; i <= nu; i++) if (uid[uname[i]] != "") usedUid[uid[uname[i]]] = uname[i]
  if (mutable) for (i = 1; i <= nou; i++) if (!(oldUsers[i] in declaredUser)) usedUid[hadUser[oldUsers[i]]] = oldUsers[i]
  for (i = 1; i <= nu; i++) {
    name = uname[i]
    if (uid[name] != "") continue
    id = (name in uidmap) ? uidmap[name] : (name in hadUser) ? hadUser[name] : ""
    if (id != "" && !(id in usedUid)) { uid[name] = id; usedUid[id] = name }
  }
  for (name in uidmap) if (!(uidmap[name] in usedUid)) usedUid[uidmap[name]] = name
  for (i = 1; i <= nu; i++) {
    name = uname[i]
    if (uid[name] == "") {
      uid[name] = kind[name] == "normal" ? firstFree(usedUid, 1000, 29999, 1) : firstFree(usedUid, 984, 400, -1)
      usedUid[uid[name]] = name
    }
    uidmap[name] = uid[name]
  }

  for (i = 1; i <= nu; i++) {
    name = uname[i]
    passwdText = passwdText name ":x:" uid[name] ":" gid[ugroup[name]] ":" gecos[name] ":" home[name] ":" shell[name] "\\n"
    password = hash[name]
    if (substr(password, 1, 1) == "@") {
      from = substr(password, 2)
      password = "!"
      if ((getline line < from) > 0) password = line
      else print "warn - - the password of " name " cannot be read from " from
      close(from)
    }
    if (name in shadow) {
      split(shadow[name], field, ":")
      if (mutable || when[name] == "initial") password = field[2]
      rest = shadow[name]; sub(/^[^:]*:[^:]*:/, "", rest)
    } else rest = "1::::::"
    shadowText = shadowText name ":" password ":" rest "\\n"
    if (homemode[name] != "") homes = homes "home " homemode[name] " " uid[name] ":" gid[ugroup[name]] " " home[name] "\\n"
  }
  for (i = 1; i <= ng; i++) {
    name = gname[i]; list = members[name]
    # Who was added by hand stays, unless the machine is fully declared.
    if (mutable && name in oldMembers) {
      n = split(oldMembers[name], extra, ",")
      for (j = 1; j <= n; j++) if (!(extra[j] in declaredUser) && index("," list ",", "," extra[j] ",") == 0) list = list (list == "" ? "" : ",") extra[j]
    }
    groupText = groupText name ":x:" gid[name] ":" list "\\n"
  }
  if (mutable) {
    # Accounts made by hand stay; accounts that the configuration made and no longer has are in the map, and go.
    for (i = 1; i <= nou; i++) {
      name = oldUsers[i]
      if (name in declaredUser || name in uidmap) continue
      passwdText = passwdText userLine[name] "\\n"
      shadowText = shadowText (name in shadow ? shadow[name] : name ":!:1::::::") "\\n"
    }
    for (i = 1; i <= nog; i++) {
      name = oldGroups[i]
      if (!(name in declaredGroup) && !(name in gidmap)) groupText = groupText groupLine[name] "\\n"
    }
  }
  nids = 0
  for (name in uidmap) ids[++nids] = name ":" uidmap[name]
  uidText = sorted(ids, nids)
  nids = 0
  for (name in gidmap) ids[++nids] = name ":" gidmap[name]
  gidText = sorted(ids, nids)

  put("/etc/group", groupText, old["group"], "0644", "0:0")
  put("/etc/passwd", passwdText, old["passwd"], "0644", "0:0")
  put("/etc/shadow", shadowText, old["shadow"], "0640", "0:" gid["shadow"])
  put("/var/lib/osmod/uid-map", uidText, old["uid"], "0600", "0:0")
  put("/var/lib/osmod/gid-map", gidText, old["gid"], "0600", "0:0")
  printf "%s", homes
}
function sorted(list, n,   i, j, x, text) {
  for (i = 2; i <= n; i++) { x = list[i]; for (j = i - 1; j > 0 && list[j] > x; j--) list[j + 1] = list[j]; list[j + 1] = x }
  for (i = 1; i <= n; i++) text = text list[i] "\\n"
  return text
}
`;
