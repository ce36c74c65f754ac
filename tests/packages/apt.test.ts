/**
 * apt is the judge of the resolver: over small made-up archives, and, where a mirror can be reached, over Debian's own.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { findMirrors, indexUniverse, readArchive, resolve } from "../../src/packages/index.ts";
import { Apt, hasApt } from "./support/apt.ts";
import { packagesIndex } from "./support/records.ts";

const directory = mkdtempSync(join(tmpdir(), "osmod-judge-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
const compare = (text: string, sets: readonly (readonly string[])[], recommends = false) => {
  count += 1;
  const apt = new Apt(join(directory, `apt-${count}`), text);
  const universe = indexUniverse([{ text, archive: "debian", label: "test" }]);
  for (const roots of sets) {
    const ours = resolve(universe, roots, { recommends }).packages.map((entry) => entry.record.name);
    expect({ roots, packages: ours.sort() }).toEqual({ roots, packages: apt.install(roots, recommends) });
  }
};

describe.skipIf(!hasApt)("apt and the resolver agree", () => {
  it("on alternatives, virtual packages, versions and conflicts", () => {
    const text = packagesIndex(`
      Package: web
      Depends: mailer | mail-transport-agent, lib (>= 1.5), python3:any, tls-api (>= 3)

      Package: exim
      Provides: mail-transport-agent
      Priority: standard

      Package: postfix
      Provides: mail-transport-agent

      Package: lib
      Version: 1.10

      Package: python3
      Multi-Arch: allowed

      Package: tls-old
      Provides: tls-api (= 2)

      Package: tls-new
      Provides: tls-api (= 3)

      Package: office
      Depends: writer, full

      Package: writer
      Depends: core-nogui | core

      Package: core-nogui
      Conflicts: core

      Package: core

      Package: full
      Depends: core

      Package: polite
      Recommends: exim, gone`);
    compare(text, [["web"], ["web", "postfix"], ["office"], ["polite"], ["polite", "web"]]);
    compare(text, [["polite"], ["polite", "web"]], true);
  }, 20_000);

  it("on made-up archives without conflicts", () => {
    const names = ["pa", "pb", "pc", "pd", "pe", "pf"];
    const group = fc
      .uniqueArray(fc.constantFrom(...names, "virtual"), { minLength: 1, maxLength: 3 })
      .map((alternatives) => alternatives.join(" | "));
    const archives = fc.tuple(
      ...names.map((name) =>
        fc
          .tuple(fc.uniqueArray(group, { maxLength: 3 }), fc.boolean(), fc.constantFrom("optional", "standard"))
          .map(([depends, provides, priority]) =>
            [
              `Package: ${name}`,
              `Priority: ${priority}`,
              ...(depends.length > 0 ? [`Depends: ${depends.join(", ")}`] : []),
              ...(provides && name === "pf" ? ["Provides: virtual"] : []),
            ].join("\n"),
          ),
      ),
    );
    const samples = fc.sample(archives, { numRuns: 12, seed: 7 });
    for (const paragraphs of samples) {
      const text = packagesIndex(paragraphs.join("\n\n"));
      const sets = [["pa"], ["pb", "pc"]].filter((roots) => {
        try {
          return resolve(indexUniverse([{ text, archive: "debian", label: "x" }]), roots).packages.length > 0;
        } catch {
          return false;
        }
      });
      compare(text, sets);
    }
  }, 60_000);
});

const mirrors = findMirrors();
// A minute of apt's time: asked for by name.
const reachable = hasApt && mirrors.debian !== undefined && process.env["OSMOD_TEST_ARCHIVE"] === "1";

describe.skipIf(!reachable)("apt and the resolver agree on Debian's own archive", () => {
  it("for machines of many kinds", async (context) => {
    const cacheDirectory = join(tmpdir(), "osmod-test-index");
    const read = await readArchive({ mirrors: { debian: mirrors.debian! }, cacheDirectory }).catch(() => undefined);
    if (read === undefined) return context.skip("the mirror cannot be reached");
    const largest = readdirSync(join(cacheDirectory, "indexes"))
      .map((name) => readFileSync(join(cacheDirectory, "indexes", name)))
      .filter((bytes) => bytes[0] === 0x1f)
      .reduce((a, b) => (a.length > b.length ? a : b));
    const text = gunzipSync(largest).toString("latin1");
    const sets = [
      ["nginx"],
      ["nginx", "openssh-server", "systemd", "linux-image-cloud-amd64"],
      ["qemu-system-x86", "qemu-utils", "samba", "bubblewrap", "virtiofsd"],
      ["systemd-sysv", "dbus", "udev"],
      ["postgresql"],
      ["default-mta", "cron"],
      ["mailutils", "postfix"],
      ["apache2", "php"],
      ["docker.io"],
      ["python3-django"],
      ["build-essential", "git"],
      ["default-jdk", "tomcat10"],
      ["libreoffice"],
      ["gnome-core"],
    ];
    compare(text, sets);
    compare(text, [["nginx", "openssh-server"], ["xfce4"]], true);
  }, 600_000);
});
