/** The images that a machine writes to: which they are, copies of them, and whether a QEMU has them. */
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import { checkImages, copyImages, imagesOf, layerImages } from "../../src/vm/images.ts";
import type { MachineSpec } from "../../src/vm/index.ts";
import { FakeStore, launcherPath } from "./fake-store.ts";
import { disks, efiLoader, plain } from "./machines.ts";

const spec: MachineSpec = { ...efiLoader, drives: disks.drives.slice(0, 1) };
let store: FakeStore;
let home: string;
beforeEach(() => {
  store = new FakeStore(spec);
  home = mkdtempSync(join(tmpdir(), "osmod images, "));
});
afterEach(() => {
  store.remove();
  rmSync(home, { recursive: true, force: true });
});

const places = (name: string) => {
  mkdirSync(join(home, name), { recursive: true });
  return { disk: join(home, name, "disk.qcow2"), images: join(home, name, "images") };
};
const paths = (machine: MachineSpec, name: string) => imagesOf(machine, places(name)).map(({ path }) => path);
const launcher = () => join(store.root, launcherPath);

/** Images with their own names as content. */
function filled(name: string) {
  for (const path of paths(spec, name)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, basename(path));
  }
  return places(name);
}

describe("a machine's images", () => {
  it("are its disks, and what firmware and boot loader write beside the root", () => {
    const at = (list: readonly string[]) => list.map((name) => join(home, "a", name));
    expect(paths(plain, "a")).toEqual(at(["disk.qcow2"]));
    expect(paths(spec, "a")).toEqual(
      at(["images/empty0.qcow2", "disk.qcow2.boot", "disk.qcow2.efivars", "disk.qcow2"]),
    );
    // The user's own image is not the launcher's.
    expect(paths(disks, "a")).toEqual(at(["images/empty0.qcow2", "disk.qcow2"]));
  });

  it("are all of one start where there is no root disk", () => {
    const list = imagesOf({ ...spec, disk: null }, places("a"));
    expect(list.map(({ path }) => basename(path))).toEqual(["empty0.qcow2", "machine.boot", "machine.efivars"]);
    expect(list.some(({ lasts }) => lasts)).toBe(false);
  });

  it("are copied whole, and the first ones stay as they are", () => {
    const from = filled("a");
    copyImages(launcher(), from, places("b"));
    for (const path of paths(spec, "b")) expect(readFileSync(path, "utf8")).toBe(basename(path));
    for (const path of paths(spec, "a")) expect(readFileSync(path, "utf8")).toBe(basename(path));
    expect(readdirSync(join(home, "b")).sort()).toEqual([
      "disk.qcow2",
      "disk.qcow2.boot",
      "disk.qcow2.efivars",
      "images",
    ]);
  });

  it("are all copied or none", () => {
    const from = filled("a");
    rmSync(from.disk);
    expect(() => copyImages(launcher(), from, places("b"))).toThrow("ENOENT");
    expect(readdirSync(join(home, "b"))).toEqual(["images"]);
    expect(readdirSync(join(home, "b/images"))).toEqual([]);
  });

  it("get layers above them, but for those that the launcher takes by what they are layers of", async () => {
    const from = filled("a");
    await layerImages(launcher(), from, places("b"));
    const content = (path: string) => readFileSync(path, "utf8");
    expect(content(join(home, "b/disk.qcow2.boot"))).toBe("disk.qcow2.boot");
    expect(content(join(home, "b/disk.qcow2.efivars"))).toBe("disk.qcow2.efivars");
    expect(content(join(home, "b/disk.qcow2"))).toContain(from.disk);
    expect(content(join(home, "b/images/empty0.qcow2"))).toContain(join(from.images, "empty0.qcow2"));
  });

  it("must be those that QEMU writes to", () => {
    filled("a");
    writeFileSync(join(home, "qemu.pid"), `${process.pid}\n`);
    const check = () => checkImages(spec, home, places("a"));
    const fds = paths(spec, "a").map((path) => openSync(path, "r+"));
    expect(check).not.toThrow();
    const [first = ""] = paths(spec, "a");
    rmSync(first);
    writeFileSync(first, "another file of the same name");
    expect(check).toThrow(ProblemError);
    expect(check).toThrow("does not use the image");
    for (const fd of fds) closeSync(fd);
  });
});
