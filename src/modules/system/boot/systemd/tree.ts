/**
 * From units to the files of /etc/systemd/system.
 *
 *     nginx.service (own text), wanted by multi-user.target  →  nginx.service
 *                                                               multi-user.target.wants/nginx.service → ../nginx.service
 *     dbus.socket (packaged, only enabled)                   →  sockets.target.wants/dbus.socket → /usr/lib/…/dbus.socket
 *     getty@.service (drop-in)                               →  getty@.service.d/overrides.conf
 *     ldconfig.service (enable = false)                      →  ldconfig.service → /dev/null
 *
 * Debian's maintainer scripts never run, so no packaged unit is enabled unless a link made here says so (beside the
 * few that systemd's own package links below /usr/lib).
 */
import { fail } from "../../../../problems/index.ts";

/** A unit that is ready to be written. */
export interface UnitFile {
  readonly enable: boolean;
  readonly overrideStrategy: "auto" | "replace" | "asDropin";
  /** `null`: nothing to say beside links. */
  readonly text: string | null;
  readonly wantedBy: readonly string[];
  readonly requiredBy: readonly string[];
  readonly upheldBy: readonly string[];
  readonly aliases: readonly string[];
}

/** A file of the tree: a text, or a link. */
export type TreeFile = { readonly text: string } | { readonly symlink: string };

/** Where packages put their units. */
export const packagedUnits = "/usr/lib/systemd/system";

/** Lay out the tree. `links` are further links to units, for example `default.target`. */
export function unitTree(
  units: { readonly [name: string]: UnitFile },
  links: { readonly [name: string]: string } = {},
): { readonly [path: string]: TreeFile } {
  const files: { [path: string]: TreeFile } = {};
  const add = (path: string, file: TreeFile, unit: string): void => {
    if (path in files) taken(path, unit);
    files[path] = file;
  };
  const names = Object.keys(units).sort();
  for (const name of names) {
    checkName(name);
    const unit = units[name]!;
    if (!unit.enable) add(name, { symlink: "/dev/null" }, name);
    else if (unit.text !== null) add(ownsFile(unit) ? name : `${name}.d/overrides.conf`, { text: unit.text }, name);
  }
  for (const name of names) {
    const unit = units[name]!;
    if (!unit.enable) continue;
    const target = (up: string): string => locate(name, units, up);
    for (const alias of unit.aliases) add(alias, { symlink: target("") }, name);
    for (const [kind, dependents] of [
      ["wants", unit.wantedBy],
      ["requires", unit.requiredBy],
      ["upholds", unit.upheldBy],
    ] as const) {
      for (const dependent of new Set(dependents)) {
        add(`${dependent}.${kind}/${name}`, { symlink: target("../") }, name);
      }
    }
  }
  for (const [link, name] of Object.entries(links)) {
    if (!(link in files)) files[link] = { symlink: locate(name, units, "") };
  }
  return files;
}

/** Where the unit's main file is: beside the link, or where packages put theirs. */
function locate(name: string, units: { readonly [name: string]: UnitFile }, up: string): string {
  const template = name.replace(/@[^@]*\.(\w+)$/, "@.$1");
  for (const candidate of [name, template]) {
    const unit = units[candidate];
    if (unit !== undefined && ownsFile(unit)) return up + candidate;
  }
  return `${packagedUnits}/${template}`;
}

function ownsFile(unit: UnitFile): boolean {
  return unit.enable && unit.text !== null && unit.overrideStrategy !== "asDropin";
}

function checkName(name: string): void {
  if (/^[a-zA-Z0-9@%:_.\\-]+\.(service|socket|device|mount|automount|swap|target|path|timer|scope|slice)$/.test(name))
    return;
  fail({
    code: "unit-name-invalid",
    option: `systemd.units.${JSON.stringify(name)}`,
    message: `${JSON.stringify(name)} is not the name of a unit`,
    fix: "Use letters, digits and : _ . - \\ @ only; in systemd.units, end the name in .service, .socket, .timer or another kind.",
  });
}

function taken(path: string, unit: string): never {
  fail({
    code: "unit-name-taken",
    option: `systemd.units.${JSON.stringify(unit)}`,
    message: `${path} is already the name of another unit`,
    fix: "Remove the name from one unit's aliases, or define one unit only.",
  });
}
