/**
 * The words for what goes wrong with a disk or a sandbox, in one place.
 */
import { type Problem, ProblemError, problem } from "../../problems/index.ts";

/** An error of the file system as a problem; what is none of its errors is returned as it is. */
export function ioProblem(error: unknown, root: string): unknown {
  if (error instanceof ProblemError) return error;
  const { code, path, message } = error as { code?: string; path?: unknown; message?: string };
  const where = typeof path === "string" ? path : root;
  const found = ((): Problem | undefined => {
    if (code === "ENOSPC" || code === "EDQUOT") return diskFull(root);
    if (code === "EACCES" || code === "EPERM" || code === "EROFS" || code === "ENOTDIR")
      return problem({
        code: "store-not-writable",
        message: `the store at ${root} cannot be written: ${where}: ${message ?? code}`,
        fix: "Choose a directory of your own with OSMOD_STORE_ROOT, or give yourself this one (chown).",
      });
    return undefined;
  })();
  return found === undefined ? error : new ProblemError([found], { cause: error });
}

/** No room left. */
export function diskFull(root: string, notes: readonly string[] = []): Problem {
  return problem({
    code: "disk-full",
    message: `no space is left for the store at ${root}`,
    notes,
    fix: "Free some space there, or move the store with OSMOD_STORE_ROOT; what is finished stays and is not built again.",
  });
}

/**
 * What to do where builders cannot be isolated, one way a list of lines. A store that needs no namespaces of ours would
 * be another way, and another entry.
 */
const WAYS_OUT: readonly (readonly string[])[] = [
  [
    "let ordinary users make namespaces, as an administrator:",
    "    sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000",
    "    sysctl -w kernel.apparmor_restrict_unprivileged_userns=0      (Ubuntu; or an AppArmor profile for bwrap)",
    "  and in a container, start it with --security-opt seccomp=unconfined --security-opt systempaths=unconfined;",
  ],
  ["run osmod as root, for whom these limits mostly do not hold; builders lose root's powers all the same."],
];

/** The kernel, or a container around us, refuses namespaces. */
export function sandboxUnavailable(why: string): Problem {
  return problem({
    code: "sandbox-unavailable",
    message: `builders cannot be isolated on this machine: ${why}`,
    fix: WAYS_OUT.map((lines, n) => `${n === 0 ? "Either " : "or "}${lines.join("\n")}`).join("\n"),
  });
}

/** Somebody asked to stop. */
export function interrupted(): Problem {
  return problem({
    code: "build-interrupted",
    message: "building was interrupted",
    fix: "Start it again; what was finished is kept.",
  });
}
