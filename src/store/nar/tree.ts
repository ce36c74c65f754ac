/**
 * What an archive holds: a file, a symlink, or a directory of such.
 *
 * Nothing else of a file system is kept: no owner, no times, of the mode only whether a file is executable. That is why
 * two trees with one hash are the same to every program that could care.
 */

/** A tree in memory. Names are text; trees on disk may have names that are not (`nar/archive.ts` keeps their bytes). */
export type Tree = RegularFile | Symlink | Directory;

/** A file. */
export interface RegularFile {
  readonly type: "regular";
  readonly executable: boolean;
  readonly contents: Uint8Array;
}

/** A symbolic link; its target is never looked at. */
export interface Symlink {
  readonly type: "symlink";
  readonly target: string;
}

/** A directory. */
export interface Directory {
  readonly type: "directory";
  readonly entries: ReadonlyMap<string, Tree>;
}
