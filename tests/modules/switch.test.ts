/** What a switch compares and decides: the builder's table of units, and the guest's program over two of them. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { decideProgram } from "../../src/modules/system/activation/switch/script.ts";
import { tableProgram, tableScript } from "../../src/modules/system/activation/switch/unit-table.ts";

// Each table takes a few dozen processes.
vi.setConfig({ testTimeout: 60_000 });

let work: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "osmod switch "));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

/** A machine's unit files and other files of /etc, by path; a text that begins with `->` is a link. */
type Files = Readonly<Record<string, string>>;

const unit = (lines: string) => `[Service]\nExecStart=/bin/x\n${lines}\n`;

describe("the table of units", () => {
  const row = (files: Files, name: string) => table(files).find((line) => line.startsWith(`U ${name} `)) ?? "";
  const same = (a: string, b: string) =>
    expect(row({ "etc/systemd/system/a.service": a }, "a.service")).toBe(
      row({ "etc/systemd/system/a.service": b }, "a.service"),
    );
  const differ = (a: string, b: string) =>
    expect(row({ "etc/systemd/system/a.service": a }, "a.service")).not.toBe(
      row({ "etc/systemd/system/a.service": b }, "a.service"),
    );

  it("takes comments, blanks, descriptions and [Install] for nothing", () => {
    same(
      unit(""),
      `# note\n[Unit]\nDescription=other\nDocumentation=man:x\n\n[Service]\n  ExecStart = /bin/x\n; more\n[Install]\nWantedBy=multi-user.target\n`,
    );
  });

  it("sees a command, a variable, a relation", () => {
    differ(unit(""), unit("Environment=A=1"));
    differ(unit(""), `[Unit]\nAfter=b.service\n${unit("")}`);
    differ(unit(""), "[Service]\nExecStart=/bin/y\n");
  });

  it("joins lines that are continued", () =>
    same("[Service]\nExecStart=/bin/x \\\n  -a\n", "[Service]\nExecStart=/bin/x  -a\n"));

  it("tells what a reload is enough for from the rest", () => {
    const of = (trigger: string) =>
      row(
        { "etc/systemd/system/a.service": `[Unit]\nX-Reload-Triggers=${trigger}\n${unit("ExecReload=/bin/r")}` },
        "a.service",
      ).split(" ");
    expect(of("one")[2]).toBe(of("two")[2]);
    expect(of("one")[3]).not.toBe(of("two")[3]);
    expect(of("one")[4]).toBe("a");
  });

  it("lets an own unit take a packaged one's place, and own drop-ins that of packaged ones", () => {
    const packaged = {
      "usr/lib/systemd/system/a.service": unit(""),
      "usr/lib/systemd/system/a.service.d/x.conf": "[Service]\nNice=1\n",
    };
    const plain = row(packaged, "a.service");
    expect(row({ ...packaged, "etc/systemd/system/a.service": unit("") }, "a.service")).toBe(plain);
    expect(row({ ...packaged, "etc/systemd/system/a.service.d/x.conf": "[Service]\nNice=2\n" }, "a.service")).not.toBe(
      plain,
    );
    expect(row({ ...packaged, "etc/systemd/system/a.service.d/y.conf": "[Service]\nNice=2\n" }, "a.service")).not.toBe(
      plain,
    );
  });

  it("knows no masked unit and no other name of one", () => {
    const files = {
      "usr/lib/systemd/system/a.service": unit(""),
      "etc/systemd/system/b.service": "->/usr/lib/systemd/system/a.service",
    };
    expect(row(files, "b.service")).toBe("");
    expect(row({ ...files, "etc/systemd/system/a.service": "->/dev/null" }, "a.service")).toBe("");
  });

  it("takes files of /etc and of the packages for part of a unit that says so", () => {
    const settings = "restart a.service app.conf\nreload a.service app.d\nrestart a.service /usr/share/app\n";
    const of = (files: Files) =>
      (
        table({ "etc/systemd/system/a.service": unit(""), ...files }, settings).find((line) =>
          line.startsWith("U a."),
        ) ?? ""
      ).split(" ");
    expect(of({ "etc/app.conf": "1" })[2]).not.toBe(of({ "etc/app.conf": "2" })[2]);
    expect(of({ "usr/share/app/x": "1" })[2]).not.toBe(of({ "usr/share/app/x": "2" })[2]);
    expect(of({ "etc/app.d/x": "1" })[2]).toBe(of({ "etc/app.d/x": "2" })[2]);
    expect(of({ "etc/app.d/x": "1" })[3]).not.toBe(of({ "etc/app.d/x": "2" })[3]);
  });

  it("says of packaged units what they do not say themselves, and believes those that do", () => {
    const files = {
      "usr/lib/systemd/system/a.service": unit(""),
      "usr/lib/systemd/system/b@.service": unit("X-RestartIfChanged=yes"),
    };
    const flags = (name: string) =>
      table(files, "never a.service\nnever b@.service\natOnce a.service\n")
        .find((line) => line.startsWith(`U ${name}`))
        ?.split(" ")[4];
    expect(flags("a.service")).toBe("rs");
    expect(flags("b@.service")).toBe("-");
  });
});

describe("a switch", () => {
  const system = (services: Readonly<Record<string, string>>): Files =>
    Object.fromEntries(
      Object.entries(services).flatMap(([name, text]) => [
        [`etc/systemd/system/${name}`, text],
        [`etc/systemd/system/multi-user.target.wants/${name}`, `->../${name}`],
      ]),
    );

  it("does nothing for the same system but ask the targets again", () => {
    const files = { ...system({ "a.service": unit("") }), "usr/lib/systemd/system/multi-user.target": "[Unit]\n" };
    expect(decide(files, files, ["a.service", "multi-user.target"])).toEqual(["start multi-user.target"]);
  });

  it("stops and starts a changed service, and stops one that is gone", () => {
    expect(
      decide(system({ "a.service": unit(""), "b.service": unit("") }), system({ "a.service": unit("Nice=1") }), [
        "a.service",
        "b.service",
      ]),
    ).toEqual(["shown a.service", "start a.service", "stop a.service", "stop b.service"]);
  });

  it("leaves what does not run alone", () => {
    expect(decide(system({ "a.service": unit("") }), system({ "a.service": unit("Nice=1") }), [])).toEqual([]);
  });

  it.each([
    ["X-StopIfChanged=false", ["restart a.service"]],
    ["X-RestartIfChanged=false", ["skip a.service"]],
    ["X-ReloadIfChanged=true\nExecReload=/bin/r", ["reload a.service"]],
    ["X-ReloadIfChanged=true", ["restart a.service"]],
  ])("heeds %j", (line, plan) => {
    expect(
      decide(system({ "a.service": unit(line) }), system({ "a.service": unit(`${line}\nNice=1`) }), ["a.service"]),
    ).toEqual(plan);
  });

  it("keeps a unit that may not be stopped by hand, or asks to stay when it is gone", () => {
    const manual = `[Unit]\nRefuseManualStop=yes\n${unit("")}`;
    expect(
      decide(system({ "a.service": manual }), system({ "a.service": `${manual}Nice=1\n` }), ["a.service"]),
    ).toEqual(["skip a.service"]);
    expect(decide(system({ "a.service": unit("X-StopOnRemoval=false") }), {}, ["a.service"])).toEqual([]);
  });

  it("stops a packaged unit that nothing enables any more", () => {
    const packaged = { "usr/lib/systemd/system/a.service": unit("") };
    const enabled = {
      ...packaged,
      "etc/systemd/system/multi-user.target.wants/a.service": "->/usr/lib/systemd/system/a.service",
    };
    expect(decide(enabled, packaged, ["a.service"])).toEqual(["stop a.service"]);
  });

  it("lets a socket bring its changed service back", () => {
    const files = (line: string) => ({
      ...system({ "a.service": unit(line) }),
      "etc/systemd/system/a.socket": "[Socket]\nListenStream=7\n",
    });
    expect(decide(files(""), files("Nice=1"), ["a.service", "a.socket"])).toEqual([
      "shown a.socket",
      "start a.socket",
      "stop a.service",
      "stop a.socket",
    ]);
  });

  it("compares the instances of a template", () => {
    const files = (line: string) => ({ "etc/systemd/system/a@.service": unit(line) });
    expect(decide(files(""), files("Nice=1"), ["a@x.service"])).toEqual([
      "shown a@x.service",
      "start a@x.service",
      "stop a@x.service",
    ]);
  });

  it("restarts a service whose programs changed, and systemd when its own did", () => {
    const files = system({ "a.service": unit("") });
    expect(decide(files, files, ["a.service"], "P a.service\nP init\n")).toEqual([
      "reexec systemd",
      "shown a.service",
      "start a.service",
      "stop a.service",
    ]);
  });

  it("mounts, unmounts and remounts what fstab says, but never what the start needs", () => {
    const fstab = (text: string) => ({ "etc/fstab": text });
    expect(decide({}, fstab("/dev/vdb /my\\040data ext4 defaults 0 0\n"), [])).toEqual([
      "shown my\\x5c040data.mount",
      "start my\\x5c040data.mount",
    ]);
    expect(decide(fstab("/dev/vdb /data ext4 defaults\n"), {}, ["data.mount"])).toEqual(["stop data.mount"]);
    expect(
      decide(fstab("/dev/vdb /data ext4 defaults\n"), fstab("/dev/vdb /data ext4 noatime\n"), ["data.mount"]),
    ).toEqual(["remount /data"]);
    expect(decide(fstab("a / ext4 x-initrd.mount\n"), fstab("b / ext4 x-initrd.mount\n"), ["-.mount"])).toEqual([]);
  });
});

let made = 0;

/** Run the builder's script over a tree of files. */
function table(files: Files, settings = ""): string[] {
  made += 1;
  const root = join(work, `${made}`);
  for (const [path, text] of Object.entries({
    "etc/none": "",
    ...files,
    "scripts/table.awk": tableProgram,
    "scripts/settings": settings,
  })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (text.startsWith("->")) symlinkSync(text.slice(2), join(root, path));
    else writeFileSync(join(root, path), text);
  }
  mkdirSync(join(root, "work"));
  const script = tableScript(root, join(root, "etc"), join(root, "scripts"), join(root, "work"));
  execFileSync("sh", ["-e", "-c", script], { env: { ...process.env, out: join(root, "out") } });
  return readFileSync(join(root, "out/units"), "utf8").trim().split("\n");
}

/** Run the guest's program over two systems, with these units running. */
function decide(from: Files, to: Files, active: readonly string[], programs = ""): string[] {
  const file = (name: string, text: string) => {
    writeFileSync(join(work, name), text);
    return join(work, name);
  };
  const inputs = [
    file("from", `${table(from).join("\n")}\n`),
    file("to", `${table(to).join("\n")}\n`),
    file("programs", programs),
    file("active", active.map((name) => `${name} loaded active running words\n`).join("")),
  ];
  const { stdout, stderr } = spawnSync("awk", [decideProgram, ...inputs], { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}
