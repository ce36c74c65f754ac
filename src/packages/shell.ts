/**
 * POSIX shell text for the scripts of derivations.
 */
import { fail, quoted } from "../problems/index.ts";

/** Quote a word so that the shell takes it literally. */
export function quote(text: string): string {
  if (text.includes("\0")) {
    fail({
      code: "text-has-zero-byte",
      message: `a zero byte cannot be part of a script or text: ${JSON.stringify(text.slice(0, 60))}`,
      fix: "Make binary files with a program in `runCommand`.",
    });
  }
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A path below a tree's root, as given by a user, in its plain form; `..`, absolute and empty ones are problems. */
export function relativePath(path: string, what: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.length === 0 || path.startsWith("/") || parts.includes("..") || /[\0\n]/.test(path)) {
    fail({
      code: "tree-path-invalid",
      message: `${what} cannot have a file at ${quoted(path)}`,
      fix: "Give a path relative to the tree's root, without `..`, for example `etc/nginx/nginx.conf`.",
    });
  }
  return parts.join("/");
}
