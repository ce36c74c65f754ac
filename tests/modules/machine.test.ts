import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { mkBefore, mkForce } from "../../src/lib/index.ts";
import { localeSource } from "../../src/modules/config/i18n.ts";
import { alternativesScript } from "../../src/modules/config/system-path.ts";
import { sudoersLines } from "../../src/modules/security/sudo.ts";
import { wrapperMode } from "../../src/modules/security/wrappers.ts";
import { sh } from "../../src/modules/shell.ts";
import { orderSnippets } from "../../src/modules/system/activation/activation-script.ts";
import { resolveKernel, sysctlText } from "../../src/modules/system/boot/kernel.ts";
import type { Package, PackageSet } from "../../src/packages/index.ts";
import { type Definitions, machine, problemOf } from "./support/rendered.ts";

const fileSystems = { "/": { device: "/dev/vda", fsType: "ext4" } };

/** Whether a shell finds a script's syntax right. */
function shellComplains(script: string): string {
  return spawnSync("sh", ["-n"], { input: script, encoding: "utf8" }).stderr;
}

describe("the scripts of a machine", () => {
  const m = machine({ fileSystems, users: { users: { alice: { isNormalUser: true } } } });

  it("are shell: stage 1, stage 2, activation", () => {
    expect(shellComplains(m.config.system.build.stage1)).toBe("");
    expect(shellComplains(m.config.system.build.stage2)).toBe("");
    expect(shellComplains(m.config.system.build.activate)).toBe("");
    expect(shellComplains(m.config.environment.extraSetup)).toBe("");
  });

  it("start with an interpreter that is there: the initrd's busybox, then the store's", () => {
    expect(m.config.system.build.stage1).toMatch(/^#!\/bin\/busybox sh\n/);
    expect(m.config.system.build.stage2).toMatch(/^#!\/nix\/store\/[^\n]*-busybox\/bin\/busybox sh\n/);
  });

  it("name the machine only by a placeholder, since its path depends on them", () => {
    expect(m.config.system.build.stage2).toContain("systemConfig=@systemConfig@\n");
  });

  it("activate accounts before files, and directories before both", () => {
    const script = m.config.system.activationScript;
    const at = (name: string) => script.indexOf(`# ---- ${name}\n`);
    expect(at("specialfs")).toBeLessThan(at("var"));
    expect(at("var")).toBeLessThan(at("users"));
    expect(at("users")).toBeLessThan(at("etc"));
    expect(at("users")).toBeLessThan(at("wrappers"));
  });
});

describe("activation snippets", () => {
  const snippet = (...deps: string[]) => ({ text: "", deps });

  it("come after what they depend on, else in alphabetical order", () => {
    expect(orderSnippets({ a: snippet("z"), b: snippet(), z: snippet() })).toEqual(["z", "a", "b"]);
  });

  it("may not wait for each other", () => {
    const problem = problemOf(() => orderSnippets({ a: snippet("b"), b: snippet("c"), c: snippet("b") }));
    expect(problem.code).toBe("activation-cycle");
    expect(problem.message).toContain("b → c → b");
  });

  it("may not wait for what is not there", () => {
    const problem = problemOf(() => orderSnippets({ a: snippet("nothing") }));
    expect(problem.code).toBe("activation-unknown-dependency");
    expect(problem.option).toBe("system.activationScripts.a.deps");
  });
});

describe("environment.etc", () => {
  const failed = (etc: NonNullable<NonNullable<Definitions["environment"]>["etc"]>) =>
    machine({ fileSystems, environment: { etc } }).failedAssertions();

  it("takes a text or a source, not both and not none", () => {
    expect(failed({ a: {} })).toEqual(['environment.etc."a" needs exactly one of `text` and `source`.']);
    expect(failed({ a: { text: "x", source: "/dev/null" } })).toHaveLength(1);
    expect(failed({ a: { text: "x" }, b: { source: "/dev/null" } })).toEqual([]);
  });

  it("takes no file of the host, since a builder could not see it", () => {
    expect(failed({ a: { source: "/home/me/file" } })[0]).toContain("is not in the store");
  });

  it("has one entry for a file", () => {
    expect(failed({ a: { text: "x" }, b: { target: "a", text: "y" } })[0]).toContain("two entries for /etc/a");
  });

  it("stays below /etc", () => {
    expect(failed({ "../x": { text: "x" } })[0]).toContain("leaves /etc");
  });

  it("says which mode it does not know", () => {
    expect(
      () => machine({ environment: { etc: { a: { text: "", mode: "rw-r--r--" } } } }).config.environment.etc["a"]?.mode,
    ).toThrow(/environment\.etc\.a\.mode/);
  });
});

describe("the machine as a whole", () => {
  it("is not built when an assertion fails; all failed ones are told, with their options", () => {
    const m = machine({ fileSystems, assertions: [{ assertion: false, message: "services.foo.port is needed." }] });
    const problem = problemOf(() => m.config.system.build.toplevel);
    expect(problem.code).toBe("assertion-failed");
    expect(problem.option).toBe("services.foo.port");
  });

  it("knows its kernel by the versioned package behind the one that is asked for", () => {
    const pkgs = {
      "linux-image-6.12.1+deb13-amd64": { name: "linux-image-6.12.1+deb13-amd64" },
      resolveClosure: () => [{ name: "linux-image-6.12.1+deb13-amd64", version: "6.12.1-1", reason: "" }],
    } as unknown as PackageSet;
    expect(resolveKernel(pkgs, { name: "linux-image-amd64" } as Package).release).toBe("6.12.1+deb13-amd64");
    expect(resolveKernel(pkgs, { name: "linux-image-6.1.0-1-amd64" } as Package).release).toBe("6.1.0-1-amd64");
  });

  it("says when a package is no kernel", () => {
    const pkgs = { resolveClosure: () => [] } as unknown as PackageSet;
    const problem = problemOf(() => resolveKernel(pkgs, { name: "nginx" } as Package));
    expect(problem.code).toBe("kernel-not-found");
    expect(problem.option).toBe("boot.kernelPackage");
  });

  it("has the kernel's parameters in one list, quoted ones too", () => {
    const { config } = machine({ boot: { kernelParams: ["console=ttyS0", 'dyndbg="file a +p"'], consoleLogLevel: 7 } });
    expect([...config.boot.kernelParams].sort()).toEqual(["console=ttyS0", 'dyndbg="file a +p"', "loglevel=7"]);
    expect(() => machine({ boot: { kernelParams: ["a b"] } }).config.boot.kernelParams.join()).toThrow(
      /boot\.kernelParams/,
    );
  });

  it("sets the kernel's run-time parameters, and leaves alone those that are null", () => {
    expect(sysctlText({ "net.ipv4.ip_forward": true, "vm.swappiness": 10, "kernel.x": null, "kernel.y": "1 2" })).toBe(
      "net.ipv4.ip_forward = 1\nvm.swappiness = 10\nkernel.y = 1 2\n",
    );
  });
});

describe("alternatives", () => {
  it("take the first program that is there, a user's before the standard ones", () => {
    const { config } = machine({ environment: { alternatives: { "/usr/bin/editor": mkBefore(["/usr/bin/emacs"]) } } });
    expect(config.environment.alternatives["/usr/bin/editor"]?.[0]).toBe("/usr/bin/emacs");
    expect(config.environment.alternatives["/usr/bin/awk"]).toContain("/usr/bin/mawk");
  });

  it("are quoted for the shell", () => {
    expect(alternativesScript({ "/usr/bin/a b": ["/usr/bin/c"] })).toContain("alternative '/usr/bin/a b' /usr/bin/c\n");
  });
});

describe("small files of /etc", () => {
  it("have Debian's order of name services, with room for others", () => {
    const m = machine({ system: { nssDatabases: { hosts: ["mdns4"] } }, services: { resolved: { enable: false } } });
    expect(m.etc("nsswitch.conf")).toContain("passwd: files systemd\n");
    expect(m.etc("nsswitch.conf")).toContain("hosts: files mdns4 myhostname dns\n");
  });

  it("have the time zone as a link and as a name", () => {
    const m = machine({ time: { timeZone: "Europe/Amsterdam" } });
    expect(m.etc("localtime")).toBe("/usr/share/zoneinfo/Europe/Amsterdam");
    expect(m.etc("timezone")).toBe("Europe/Amsterdam\n");
    expect(() => machine({ time: { timeZone: "../../etc/shadow" } }).etc("timezone")).toThrow(/time\.timeZone/);
  });

  it("have the locale, and ask for what has to be compiled", () => {
    const m = machine({ i18n: { defaultLocale: "nl_NL.UTF-8", extraLocaleSettings: { LC_TIME: "de_DE.UTF-8" } } });
    expect(m.etc("locale.conf")).toBe("LANG=nl_NL.UTF-8\nLC_TIME=de_DE.UTF-8\n");
    expect(m.config.i18n.supportedLocales).toEqual(["nl_NL.UTF-8/UTF-8", "de_DE.UTF-8/UTF-8"]);
    expect(machine({}).config.environment.extraSetup).not.toContain("locale-archive");
    expect(m.config.environment.extraSetup).toContain("locale-archive");
  });

  it.each([
    ["en_US.UTF-8/UTF-8", { name: "en_US.UTF-8", input: "en_US", charset: "UTF-8" }],
    ["nl_NL@euro/ISO-8859-15", { name: "nl_NL@euro", input: "nl_NL@euro", charset: "ISO-8859-15" }],
    ["de_DE", { name: "de_DE", input: "de_DE", charset: "ISO-8859-1" }],
  ])("know the source of the locale %s", (locale, source) => expect(localeSource(locale)).toEqual(source));
});

describe("limits of sessions", () => {
  it("are a file that PAM reads, and no file when there are none", () => {
    const limit = { domain: "@users", type: "hard", item: "nofile", value: 4096 } as const;
    const limited = machine({ security: { pam: { loginLimits: [limit] } } });
    expect(limited.etc("security/limits.d/50-osmod.conf")).toBe("@users hard nofile 4096\n");
    expect(machine({}).hasEtc("security/limits.d/50-osmod.conf")).toBe(false);
  });
});

describe("sudo", () => {
  it("asks members of sudo and wheel for their password unless told otherwise", () => {
    expect(machine({}).etc("sudoers")).toContain("%sudo ALL=(ALL:ALL) ALL\n%wheel ALL=(ALL:ALL) ALL\n");
    expect(machine({ security: { sudo: { wheelNeedsPassword: false } } }).etc("sudoers")).toContain(
      "%wheel ALL=(ALL:ALL) NOPASSWD: ALL\n",
    );
    expect(machine({ security: { sudo: { enable: false } } }).hasEtc("sudoers")).toBe(false);
  });

  it("has a line for each account and group of a rule", () => {
    const commands = [{ command: "/usr/bin/rsync", options: ["NOPASSWD", "SETENV"] }];
    expect(sudoersLines({ users: ["alice"], groups: ["backup"], host: "ALL", runAs: "root", commands })).toEqual([
      "alice ALL=(root) NOPASSWD: SETENV: /usr/bin/rsync",
      "%backup ALL=(root) NOPASSWD: SETENV: /usr/bin/rsync",
    ]);
  });
});

describe("wrappers", () => {
  it("have their set-id bits before their permissions", () => {
    expect(wrapperMode({ setuid: true, setgid: false, permissions: "0754" })).toBe("4754");
    expect(wrapperMode({ setuid: false, setgid: true, permissions: "755" })).toBe("2755");
  });

  it("leave a link in /usr, and can be switched off", () => {
    expect(machine({}).config.environment.extraSetup).toContain("\nwrap /usr/bin/sudo sudo\n");
    expect(
      machine({ security: { wrappers: { sudo: { enable: false } } } }).config.environment.extraSetup,
    ).not.toContain("wrap /usr/bin/sudo");
  });

  const failed = (wrapper: object) =>
    machine({ fileSystems, security: { wrappers: { x: wrapper } } } as Parameters<
      typeof machine
    >[0]).failedAssertions();

  it("must be below /usr or in the store, and change something", () => {
    expect(failed({ source: "/opt/x", setuid: true })[0]).toContain("must be below /usr or in the store");
    expect(failed({ source: "/usr/bin/x" })[0]).toContain("it would wrap nothing");
    expect(failed({ source: "/usr/bin/x", setuid: true, capabilities: "cap_net_raw+ep" })[0]).toContain("choose one");
  });

  it("may replace Debian's choice", () => {
    const { config } = machine({ security: { wrappers: { su: { permissions: mkForce("0700") } } } });
    expect(config.security.wrappers["su"]?.permissions).toBe("0700");
  });
});

describe("a word for the shell", () => {
  it("is quoted when it has to be", () => {
    expect(["a/b.c", "a b", "it's", "", "$HOME"].map(sh)).toEqual(["a/b.c", "'a b'", "'it'\\''s'", "''", "'$HOME'"]);
  });
});
