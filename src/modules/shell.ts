/**
 * Words for the shell scripts that modules write.
 */

/** Quote a value so that a POSIX shell reads it as one word. */
export function sh(value: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}

/** Quote each value and join them with spaces. */
export function shWords(values: readonly string[]): string {
  return values.map(sh).join(" ");
}

/** The directory part of an absolute or relative path; `.` when there is none. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at < 0 ? "." : at === 0 ? "/" : path.slice(0, at);
}

/** How many names a path has: `/` none, `/var/lib` two. */
export function pathDepth(path: string): number {
  return path.split("/").filter((part) => part !== "").length;
}
