/** Further images of a running machine: what is asked of QEMU and of the guest. That it works is seen in tests/boot/switch. */
import { describe, expect, it } from "vitest";
import { ProblemError } from "../../src/problems/index.ts";
import type { QmpClient } from "../../src/vm/qmp.ts";
import { addedImages, addedImagesArgv, showImage } from "../../src/vm/store-images.ts";
import type { RunInGuest } from "../../src/vm/switch.ts";

const file = "/store/nix/store/x-store-image/store.erofs";

/** What QEMU knows of its disks, as far as it matters here. */
class Disks {
  readonly nodes: { "node-name": string; file: string }[] = [{ "node-name": "#block123", file: "/root.qcow2" }];
  readonly devices: unknown[] = [];
  readonly asked: string[] = [];
  refuses = false;

  async command(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.asked.push(name);
    const node = args["node-name"] as string;
    if (name === "query-named-block-nodes") return this.nodes;
    if (name === "blockdev-add")
      this.nodes.push({ "node-name": node, file: (args["file"] as { filename: string }).filename });
    if (name === "blockdev-del")
      this.nodes.splice(
        this.nodes.findIndex((one) => one["node-name"] === node),
        1,
      );
    if (name === "device_add") {
      if (this.refuses) throw new Error("Bus 'images.0' not found");
      this.devices.push(args);
    }
    return {};
  }
  get qmp(): QmpClient {
    return this as unknown as QmpClient;
  }
}

/** A guest in which the two programs end like this. */
function guestThat(looks: number, lays = 0, stderr = ""): RunInGuest & { readonly ran: string[][] } {
  const ran: string[][] = [];
  const run = async (argv: readonly string[]) => {
    ran.push(argv.slice(3));
    return { exitCode: ran.length === 1 ? looks : lays, stdout: Buffer.alloc(0), stderr: Buffer.from(stderr) };
  };
  return Object.assign(run, { ran });
}

describe("a running machine with an image", () => {
  it("gets no disk when it has all that is asked for", async () => {
    const disks = new Disks();
    const guest = guestThat(0);
    await showImage("web", disks.qmp, { file, paths: ["/nix/store/a", "/nix/store/b"], runInGuest: guest });
    expect(guest.ran).toEqual([["sh", "/nix/store/a", "/nix/store/b"]]);
    expect(disks.asked).toEqual([]);
  });

  it("gets each image once, as a disk that is only read, and the guest is told which", async () => {
    const disks = new Disks();
    for (const image of [file, "/other", file]) {
      const guest = guestThat(1);
      await showImage("web", disks.qmp, { file: image, paths: ["/nix/store/a"], runInGuest: guest });
      expect(guest.ran[1]).toEqual(["sh", image === file ? "store-0" : "store-1"]);
    }
    expect(await addedImages(disks.qmp)).toEqual([file, "/other"]);
    expect(disks.devices).toHaveLength(2);
  });

  it("has the same disks when it goes on from a saved memory", async () => {
    const disks = new Disks();
    for (const image of [file, "/with, comma"]) {
      await showImage("web", disks.qmp, { file: image, paths: ["/nix/store/a"], runInGuest: guestThat(1) });
    }
    const argv = addedImagesArgv(await addedImages(disks.qmp));
    expect(argv.filter((_, i) => i % 4 === 0)).toEqual(["-blockdev", "-blockdev"]);
    expect(argv.filter((_, i) => i % 4 === 3).map((text) => JSON.parse(text))).toEqual(disks.devices);
    const nodes = argv.filter((_, i) => i % 4 === 1).map((text) => JSON.parse(text));
    expect(nodes.map((node) => [node.file.filename, node["read-only"]])).toEqual([
      [file, true],
      ["/with, comma", true],
    ]);
  });

  it("is left as it was when QEMU takes no disk", async () => {
    const disks = new Disks();
    disks.refuses = true;
    const shown = showImage("web", disks.qmp, { file, paths: ["/nix/store/a"], runInGuest: guestThat(1) });
    await expect(shown).rejects.toThrow("not found");
    expect(await addedImages(disks.qmp)).toEqual([]);
  });

  it.each([
    [3, "", "switch-needs-live-store"],
    [1, "the disk store-0 did not appear", "store-image-not-shown"],
  ])("that ends with %d is a problem of its own", async (code, stderr, problem) => {
    const paths = ["/nix/store/a"];
    const shown = showImage("web", new Disks().qmp, { file, paths, runInGuest: guestThat(1, code, stderr) });
    const error = await shown.catch((thrown: unknown) => thrown);
    expect(error instanceof ProblemError && error.has(problem), `${error}`).toBe(true);
    if (stderr !== "") expect((error as ProblemError).problems[0]?.notes).toEqual([stderr]);
  });
});
