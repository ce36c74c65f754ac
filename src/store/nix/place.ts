/**
 * Where the files of Nix's store lie on this machine.
 *
 * Nix knows stores whose directory is somewhere else than `/nix/store`, and tells by no command where. So its setting
 * `store` is read (NIX_REMOTE, unless a nix.conf says otherwise) and understood as Nix does:
 *
 *     auto, daemon, local, unix:///run/socket      /
 *     local?root=/srv/nix, /srv/nix                /srv/nix          (the objects lie in /srv/nix/nix/store)
 *     ssh://host, https://cache, s3://…            not on this machine: a problem
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { fail, ProblemError } from "../../problems/index.ts";
import { STORE_DIR } from "../path.ts";
import { type NixEnvironment, nix } from "./command.ts";

/** The physical root of the store that Nix uses. Problems: `nix-missing`, `nix-store-unusable`. */
export function nixRoot(env: NixEnvironment): string {
  const directory = env["NIX_STORE_DIR"];
  if (directory !== undefined && resolve(directory) !== STORE_DIR)
    unusable(`NIX_STORE_DIR is ${directory}, and every path of a machine begins with ${STORE_DIR}`);
  return rootOf(storeSetting(env), env);
}

/** The physical root of a store, from Nix's way of naming it. Problem: `nix-store-unusable`. */
export function rootOf(setting: string, env: NixEnvironment): string {
  const [base = "", query = ""] = setting.split("?", 2);
  const parameters = parse(query);
  const root = parameters.get("root");
  const real = parameters.get("real");
  if (real !== undefined) {
    if (!resolve(real).endsWith(STORE_DIR)) unusable(`its files lie in ${real}, which does not end with ${STORE_DIR}`);
    return resolve(real).slice(0, -STORE_DIR.length) || "/";
  }
  if (base === "" || base === "auto" || base === "daemon" || base === "local" || base.startsWith("unix://")) {
    if (root !== undefined && root !== "") return resolve(root);
    return base !== "daemon" && root === undefined ? ownRoot(env) : "/";
  }
  if (base.includes("/") && !/^[a-z0-9+.-]+:/i.test(base)) return resolve(base);
  return unusable(`${setting} has no files on this machine`);
}

/** Later Nixes give users of a machine without /nix a store of their own. */
function ownRoot(env: NixEnvironment): string {
  if (process.getuid?.() === 0 || existsSync("/nix/var/nix") || env["NIX_STATE_DIR"] !== undefined) return "/";
  const data = env["XDG_DATA_HOME"];
  const home = data !== undefined && isAbsolute(data) ? data : join(env["HOME"] ?? homedir(), ".local/share");
  const own = join(home, "nix/root");
  return existsSync(own) ? own : "/";
}

function storeSetting(env: NixEnvironment): string {
  // The command had another name before Nix 2.20.
  for (const verb of [["show-config"], ["config", "show"]]) {
    try {
      const text = nix("nix", ["--extra-experimental-features", "nix-command", ...verb, "--json"], env);
      const { store } = JSON.parse(text) as { store?: { value?: unknown } };
      if (typeof store?.value === "string") return store.value;
    } catch (error) {
      if (error instanceof ProblemError && error.has("nix-missing")) throw error;
    }
  }
  return env["NIX_REMOTE"] || "auto";
}

function parse(query: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of query.split("&")) {
    const [name = "", value = ""] = part.split("=", 2);
    try {
      found.set(name, decodeURIComponent(value));
    } catch {
      unusable(`its parameter ${name} is not a text: ${value}`);
    }
  }
  return found;
}

function unusable(why: string): never {
  fail({
    code: "nix-store-unusable",
    message: `Nix's store cannot hold machines of this host: ${why}`,
    fix: "Let NIX_REMOTE (or `store` in nix.conf) name a store of this machine: auto, daemon, local, or a directory. Other machines take part as `builders` and `substituters` in nix.conf.",
  });
}
