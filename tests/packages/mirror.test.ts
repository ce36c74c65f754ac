import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findMirrors } from "../../src/packages/index.ts";
import { requireMirror } from "../../src/packages/mirror.ts";
import { problemOf } from "./support/problems.ts";

let apt: string;
beforeEach(() => {
  apt = mkdtempSync(join(tmpdir(), "osmod-apt-"));
  mkdirSync(join(apt, "sources.list.d"));
});
afterEach(() => rmSync(apt, { recursive: true }));

const list = (text: string) => writeFileSync(join(apt, "sources.list"), text);
const sources = (text: string, name = "debian.sources") => writeFileSync(join(apt, "sources.list.d", name), text);
const found = (env = {}, given = {}) => findMirrors({ env, given, aptDirectory: apt });

describe("the mirror", () => {
  it("is the environment's, else the given one, else the host's", () => {
    list("deb http://host.test/debian bookworm main\n");
    expect(found({ OSMOD_DEBIAN_MIRROR: "http://env.test/d/" }, { debian: "http://given.test" }).debian).toBe(
      "http://env.test/d",
    );
    expect(found({}, { debian: "http://given.test/" }).debian).toBe("http://given.test");
    expect(found({ OSMOD_DEBIAN_SECURITY_MIRROR: "none" })).toEqual({ debian: "http://host.test/debian" });
    expect(found({ OSMOD_DEBIAN_MIRROR: "" }).debian).toBe("http://host.test/debian");
  });

  it("is found in apt's one-line format", () => {
    list(`# deb http://old.test/debian bookworm main
deb-src http://src.test/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.test/debian/ bookworm main contrib # comment
deb http://sec.test/debian-security bookworm-security main
`);
    expect(found()).toEqual({ debian: "http://deb.test/debian", "debian-security": "http://sec.test/debian-security" });
  });

  it("is found in apt's paragraphs", () => {
    sources(`Types: deb
# a comment
URIs: http://deb.test/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://sec.test/s/
Suites: trixie-security
Components: main

Enabled: no
Types: deb
URIs: http://disabled.test/debian
Suites: trixie
Components: main
`);
    expect(found()).toEqual({ debian: "http://deb.test/debian", "debian-security": "http://sec.test/s" });
  });

  it("is not somebody else's archive with a suite called stable", () => {
    sources(
      "Types: deb\nURIs: http://vendor.test/apt\nSuites: stable\nComponents: main\nSigned-By: /etc/apt/keyrings/vendor.gpg\n",
      "a.sources",
    );
    expect(found()).toEqual({});
    sources("Types: deb\nURIs: http://deb.test/debian\nSuites: trixie\nComponents: main\n", "z.sources");
    expect(found().debian).toBe("http://deb.test/debian");
    list("deb http://ubuntu.test/ubuntu noble main\n");
    expect(found().debian).toBe("http://deb.test/debian");
  });

  it("may be named in a file of mirrors, and may be a directory", () => {
    const mirrors = join(apt, "mirrors.list");
    writeFileSync(mirrors, "# first\nhttp://one.test/debian priority:1\nhttp://two.test/debian\n");
    list(`deb mirror+file://${mirrors} trixie main\n`);
    expect(found().debian).toBe("http://one.test/debian");
    list("deb file:/srv/debian trixie main\n");
    expect(found().debian).toBe("file:///srv/debian");
    list("deb cdrom:[Debian]/ trixie main\ndeb http://deb.test/debian trixie main\n");
    expect(found().debian).toBe("http://deb.test/debian");
  });

  it("that nobody names is a problem only when it is needed", () => {
    rmSync(join(apt, "sources.list.d"), { recursive: true });
    expect(found()).toEqual({});
    sourcesAreOdd();
    const problem = problemOf(() => requireMirror({}, "debian"));
    expect(problem).toMatchObject({ code: "mirror-unknown" });
    expect(problem.fix).toContain("OSMOD_DEBIAN_MIRROR");
    expect(problemOf(() => requireMirror({ debian: "http://x.test" }, "debian-security")).fix).toContain(
      "OSMOD_DEBIAN_SECURITY_MIRROR",
    );
  });

  function sourcesAreOdd(): void {
    mkdirSync(join(apt, "sources.list.d"));
    sources("this is no\ncontrol data\n");
    list("\0\0 deb\ndeb\ndeb x\n");
    expect(found()).toEqual({});
  }
});
