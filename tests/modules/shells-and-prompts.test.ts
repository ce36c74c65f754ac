import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { machine } from "./support/rendered.ts";
import { tool } from "./support/tools.ts";

/** The commands of a prompt's drop-in. */
const prompt = (m: ReturnType<typeof machine>, unit: string): string =>
  m.unitFiles()[`${unit}.service.d/overrides.conf`] ?? "";

describe("log-in prompts", () => {
  it("ask on serial and virtual terminals alike, by a drop-in to systemd's units", () => {
    const m = machine({});
    expect(prompt(m, "serial-getty@")).toBe(
      [
        "[Service]",
        "ExecStart=",
        'ExecStart=-/usr/sbin/agetty --login-program /usr/bin/login --login-options "-- \\\\u" --noreset --noclear --keep-baud 115200,57600,38400,9600 - ${TERM}',
        "X-RestartIfChanged=false",
        "",
      ].join("\n"),
    );
    expect(prompt(m, "getty@")).toContain("--noclear - ${TERM}\n");
    expect(m.unitFiles()["getty.target.wants/getty@tty1.service"]).toBe("→ /usr/lib/systemd/system/getty@.service");
  });

  it("log a user in without asking", () => {
    const m = machine({ services: { getty: { autologinUser: "root", extraArgs: ["--nohostname"] } } });
    expect(prompt(m, "serial-getty@")).toContain(
      "agetty --login-program /usr/bin/login --autologin root --nohostname --noreset",
    );
    expect(prompt(m, "serial-getty@")).not.toContain("--login-options");
  });

  it("log a user in once only", () => {
    const text = prompt(machine({ services: { getty: { autologinUser: "root", autologinOnce: true } } }), "getty@");
    expect(text).toContain("if mkdir /run/autologin-done");
    expect(text).toContain('exec /usr/sbin/agetty --autologin root --login-program /usr/bin/login "$$@"');
  });

  it("greet", () => {
    const m = machine({ services: { getty: { greetingLine: "Hello from \\n", helpLine: "Log in as root." } } });
    expect(m.etc("issue")).toBe("Hello from \\n\nLog in as root.\n\n");
  });
});

describe("the message bus", () => {
  it("runs as its own user, and can be left out with what depends on it", () => {
    const m = machine({});
    expect(m.config.users.users["messagebus"]).toMatchObject({ isSystemUser: true });
    const files = machine({ services: { dbus: { enable: false } } }).unitFiles();
    expect(files["dbus.socket"]).toBe("→ /dev/null");
    expect(files["systemd-logind.service"]).toBe("→ /dev/null");
  });
});

describe("shells", () => {
  const m = machine({
    environment: {
      variables: { EDITOR: "vi", GREETING: "it's $HOME", LISTED: ["/a", "/b"] },
      shellAliases: { ll: null, gs: "git status; echo 'done'" },
      shellInit: "export INIT=1",
      interactiveShellInit: "INTERACTIVE=1",
    },
    programs: { bash: { shellAliases: { greet: 'echo "hi"' }, loginShellInit: "export LOGIN=1" } },
  });

  it("find set-user-id programs first", () => {
    expect(m.etc("set-environment")).toContain("export PATH=/run/wrappers/bin:/usr/local/sbin:");
    expect(m.etc("environment")).toContain('PATH="/run/wrappers/bin:/usr/local/sbin:');
  });

  it("let the configuration choose editor and pager, and fill in the usual ones", () => {
    expect(m.etc("set-environment")).toContain("export EDITOR=vi\n");
    expect(machine({}).etc("set-environment")).toContain("export EDITOR=nano\nexport PAGER=less\nexport LESS=-R\n");
    expect(machine({ programs: { vim: { enable: true, defaultEditor: true } } }).etc("set-environment")).toContain(
      "export EDITOR=vim\n",
    );
  });

  it("have files that bash reads without complaint and as they were meant", () => {
    const bash = tool("bash") ?? "bash";
    const directory = mkdtempSync(join(tmpdir(), "osmod-bash-"));
    try {
      const inHere = (text: string) => text.replaceAll("/etc/", `${directory}/`);
      for (const name of ["set-environment", "profile", "bash.bashrc"])
        writeFileSync(join(directory, name), inHere(m.etc(name)));
      const script = `. ${directory}/profile\necho "$GREETING|$LISTED|$INIT|$LOGIN|$INTERACTIVE"\nalias gs greet\nalias ll\n`;
      const result = spawnSync(bash, ["--noprofile", "--norc", "-i"], {
        input: script,
        encoding: "utf8",
        env: { HOME: "/home/x", PATH: process.env["PATH"] ?? "" },
      });
      const lines = result.stdout.split("\n");
      expect(lines).toContain("it's $HOME|/a:/b|1|1|1");
      expect(lines).toContain(`alias gs='git status; echo '\\''done'\\'''`);
      expect(lines).toContain(`alias greet='echo "hi"'`);
      expect(result.stderr).toContain("ll: not found");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("complete only when told to", () => {
    expect(machine({}).etc("bash.bashrc")).not.toContain("bash_completion");
    const completing = machine({ programs: { bash: { completion: { enable: true } } } });
    expect(completing.etc("bash.bashrc")).toContain(". /usr/share/bash-completion/bash_completion\n");
    expect(completing.config.environment.systemPackages.map((one) => one.name)).toContain("bash-completion");
  });

  it("are left alone when bash's files are somebody else's", () => {
    expect(machine({ programs: { bash: { enable: false } } }).hasEtc("profile")).toBe(false);
  });
});

describe("the clock", () => {
  it("is set from time servers, unless the machine has another way", () => {
    const m = machine({ networking: { timeServers: ["ntp.example.org"] } });
    expect(m.etc("systemd/timesyncd.conf")).toBe("[Time]\nNTP=ntp.example.org\n");
    expect(m.unitFiles()["sysinit.target.wants/systemd-timesyncd.service"]).toBeDefined();
    const without = machine({ services: { timesyncd: { enable: false } } });
    expect(without.hasEtc("systemd/timesyncd.conf")).toBe(false);
  });
});
