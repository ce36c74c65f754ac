import { describe, expect, it } from "vitest";
import { define, mkBefore, mkForce } from "../../src/lib/index.ts";
import { type Definitions, machine, problemOf, stubPackages } from "./support/rendered.ts";
import { judge, tool } from "./support/tools.ts";

const units = (definitions: Definitions) => machine(definitions).unitFiles();

describe("a service", () => {
  it("is rendered with its sections in order and enabled by links", () => {
    const files = units({
      systemd: {
        services: {
          hello: {
            description: "Says hello",
            documentation: ["man:hello(1)"],
            after: ["network.target"],
            wantedBy: ["multi-user.target"],
            requiredBy: ["app.target"],
            environment: { NAME: 'the "world"', EMPTY: "", GONE: null, N: 3 },
            serviceConfig: { ExecStart: "/usr/bin/hello", Restart: "on-failure", RestartSec: 5, PrivateTmp: true },
          },
        },
      },
    });
    expect(files["hello.service"]).toBe(
      [
        "[Unit]",
        "Description=Says hello",
        "Documentation=man:hello(1)",
        "After=network.target",
        "",
        "[Service]",
        "ExecStart=/usr/bin/hello",
        "Restart=on-failure",
        "RestartSec=5",
        "PrivateTmp=true",
        'Environment="EMPTY="',
        'Environment="N=3"',
        'Environment="NAME=the \\"world\\""',
        "",
      ].join("\n"),
    );
    expect(files["multi-user.target.wants/hello.service"]).toBe("→ ../hello.service");
    expect(files["app.target.requires/hello.service"]).toBe("→ ../hello.service");
  });

  it("takes directives that are not known by name, several times when given as a list", () => {
    const text = units({
      systemd: {
        services: {
          a: { serviceConfig: { ExecStart: "/bin/a", LimitNOFILE: 4096, BindPaths: ["/x", "/y"], Nice: null } },
        },
      },
    })["a.service"];
    expect(text).toContain("LimitNOFILE=4096\nBindPaths=/x\nBindPaths=/y\n");
    expect(text).not.toContain("Nice");
  });

  it("puts scripts into the store and runs them with bash", () => {
    const m = machine({
      systemd: { services: { job: { script: "echo one\necho two", scriptArgs: "%i", preStart: "mkdir -p /run/job" } } },
    });
    const text = m.unitFiles()["job.service"] ?? "";
    const start = /ExecStart=(\S+) %i$/m.exec(text)?.[1] ?? "";
    expect(m.written(start)).toBe("#!/usr/bin/bash\nset -e\necho one\necho two\n");
    expect(text).toMatch(/^ExecStartPre=\/nix\/store\/\S+-unit-script-job-pre-start\/bin\/job-pre-start$/m);
  });

  it("runs given commands before the script of the same moment", () => {
    const text = units({
      systemd: {
        services: { a: { serviceConfig: { ExecStart: "/bin/a", ExecStartPre: "/bin/first" }, preStart: "x" } },
      },
    })["a.service"];
    expect(text).toMatch(/ExecStartPre=\/bin\/first\nExecStartPre=\/nix\/store\//);
  });

  it("has directories of its `path` first in PATH, unless it sets PATH itself", () => {
    const files = units({
      systemd: {
        services: {
          a: { path: ["/opt/a"], serviceConfig: { ExecStart: "/bin/a" } },
          b: { path: ["/opt/b"], environment: { PATH: "/only" }, serviceConfig: { ExecStart: "/bin/b" } },
        },
      },
    });
    expect(files["a.service"]).toContain('Environment="PATH=/opt/a/bin:/opt/a/sbin:/run/wrappers/bin:');
    expect(files["b.service"]).toContain('Environment="PATH=/only"');
  });

  it("has the packages of its `path` in the system, where PATH finds them already", () => {
    const { pkgs } = stubPackages();
    const m = machine({
      systemd: {
        services: { a: { path: [pkgs["curl"]!, pkgs.writeTree("tools", {})], serviceConfig: { ExecStart: "/a" } } },
      },
    });
    expect(m.config.environment.systemPackages.map((one) => one.name)).toContain("curl");
    expect(m.unitFiles()["a.service"]).toMatch(
      /Environment="PATH=\/nix\/store\/\w+-tools\/bin:\S+-tools\/sbin:\/run\/wrappers/,
    );
  });

  it("says what a switch does with it only where that is not the usual", () => {
    const files = units({
      systemd: {
        services: {
          usual: { serviceConfig: { ExecStart: "/bin/a" } },
          other: {
            serviceConfig: { ExecStart: "/bin/a" },
            restartIfChanged: false,
            reloadIfChanged: true,
            stopIfChanged: false,
          },
        },
      },
    });
    expect(files["usual.service"]).not.toContain("X-");
    expect(files["other.service"]).toContain(
      "X-RestartIfChanged=false\nX-StopIfChanged=false\nX-ReloadIfChanged=true\n",
    );
  });

  it("is changed by its restart triggers, whatever they hold", () => {
    const text = (trigger: string) =>
      units({ systemd: { services: { a: { serviceConfig: { ExecStart: "/a" }, restartTriggers: [trigger] } } } })[
        "a.service"
      ];
    expect(text("/nix/store/x-conf")).toContain("X-Restart-Triggers=/nix/store/x-conf\n");
    expect(text("a\nb")).not.toBe(text("a\nc"));
    expect(text("a\nb")).toMatch(/X-Restart-Triggers=[0-9a-f]{64}\n/);
  });

  it("gets a timer from `startAt`", () => {
    const files = units({
      systemd: { services: { backup: { startAt: ["02:00", "14:00"], serviceConfig: { ExecStart: "/bin/backup" } } } },
    });
    expect(files["backup.timer"]).toBe("[Timer]\nOnCalendar=02:00\nOnCalendar=14:00\n");
    expect(files["timers.target.wants/backup.timer"]).toBe("→ ../backup.timer");
    expect(files["multi-user.target.wants/backup.service"]).toBeUndefined();
  });
});

describe("a unit that a package ships", () => {
  it("is linked as it is when it is only enabled", () => {
    const files = units({ systemd: { sockets: { cups: { wantedBy: ["sockets.target"] } } } });
    expect(files["sockets.target.wants/cups.socket"]).toBe("→ /usr/lib/systemd/system/cups.socket");
    expect(files["cups.socket"]).toBeUndefined();
  });

  it("is added to by a definition that has no command", () => {
    const files = units({ systemd: { services: { cron: { environment: { TZ: "UTC" } } } } });
    expect(files["cron.service.d/overrides.conf"]).toBe('[Service]\nEnvironment="TZ=UTC"\n');
    expect(files["cron.service"]).toBeUndefined();
  });

  it("is replaced by a definition that has one, and added to when asked for", () => {
    const serviceConfig = { ExecStart: ["", "/bin/cron -f"] };
    expect(units({ systemd: { services: { cron: { serviceConfig: { ExecStart: "/bin/cron -f" } } } } })).toHaveProperty(
      ["cron.service"],
    );
    // An empty first command means "forget the packaged one", which only makes sense in an addition.
    expect(units({ systemd: { services: { cron: { serviceConfig } } } })).toHaveProperty([
      "cron.service.d/overrides.conf",
    ]);
    expect(units({ systemd: { services: { cron: { overrideStrategy: "replace", serviceConfig } } } })).toHaveProperty([
      "cron.service",
    ]);
  });

  it("is masked by `enable = false`, and nothing links to it any more", () => {
    const files = units({ systemd: { services: { cron: { enable: false, wantedBy: ["multi-user.target"] } } } });
    expect(files["cron.service"]).toBe("→ /dev/null");
    expect(files["multi-user.target.wants/cron.service"]).toBeUndefined();
  });

  it("is found by its template when an instance is enabled", () => {
    const files = units({
      systemd: {
        services: {
          "worker@": { serviceConfig: { ExecStart: "/bin/worker %i" } },
          "worker@a": { wantedBy: ["multi-user.target"] },
          "other@b": { wantedBy: ["multi-user.target"] },
        },
      },
    });
    expect(files["multi-user.target.wants/worker@a.service"]).toBe("→ ../worker@.service");
    expect(files["multi-user.target.wants/other@b.service"]).toBe("→ /usr/lib/systemd/system/other@.service");
  });
});

describe("other kinds of units", () => {
  it("are rendered from their own sections", () => {
    const files = units({
      systemd: {
        sockets: { echo: { listenStreams: ["7", "/run/echo"], socketConfig: { Accept: true } } },
        paths: { spool: { pathConfig: { DirectoryNotEmpty: "/var/spool/x" } } },
        slices: { batch: { sliceConfig: { CPUWeight: 20 } } },
        targets: { app: { wants: ["web.service"] }, "multi-user": { wants: ["app.target"] } },
        mounts: [{ what: "/dev/vdb", where: "/srv/my data", type: "ext4", options: "noatime" }],
        automounts: [{ where: "/srv/my data", wantedBy: ["multi-user.target"] }],
      },
    });
    expect(files["echo.socket"]).toBe("[Socket]\nListenStream=7\nListenStream=/run/echo\nAccept=true\n");
    expect(files["spool.path"]).toBe("[Path]\nDirectoryNotEmpty=/var/spool/x\n");
    expect(files["batch.slice"]).toBe("[Slice]\nCPUWeight=20\n");
    expect(files["app.target"]).toBe("[Unit]\nWants=web.service\n");
    expect(files["multi-user.target.d/overrides.conf"]).toBe("[Unit]\nWants=app.target\n");
    expect(files["srv-my\\x20data.mount"]).toBe(
      "[Mount]\nWhat=/dev/vdb\nWhere=/srv/my data\nType=ext4\nOptions=noatime\n",
    );
    expect(files["multi-user.target.wants/srv-my\\x20data.automount"]).toBe("→ ../srv-my\\x20data.automount");
  });

  it("may be given as texts, which win by priority as any definition does", () => {
    const files = machine({
      systemd: {
        services: { a: { serviceConfig: { ExecStart: "/bin/a" } } },
        units: { "a.service": { text: mkForce("[Service]\nExecStart=/bin/b\n") }, "b.timer": { text: "[Timer]\n" } },
      },
    }).unitFiles();
    expect(files["a.service"]).toBe("[Service]\nExecStart=/bin/b\n");
    expect(files["b.timer"]).toBe("[Timer]\n");
  });
});

describe("systemd itself", () => {
  it("boots to the unit that was asked for", () => {
    expect(units({})["default.target"]).toBe("→ /usr/lib/systemd/system/multi-user.target");
    const own = units({
      systemd: { defaultUnit: "kiosk.target", targets: { kiosk: { requires: ["multi-user.target"] } } },
    });
    expect(own["default.target"]).toBe("→ kiosk.target");
  });

  it("does none of the work of machines that are upgraded in place, unless asked to", () => {
    const standard = units({});
    for (const unit of ["ldconfig.service", "systemd-firstboot.service", "systemd-sysusers.service"]) {
      expect(standard[unit], unit).toBe("→ /dev/null");
    }
    const debugging = units({ systemd: { units: { "sys-kernel-debug.mount": { enable: true } } } });
    expect(debugging["sys-kernel-debug.mount"]).toBeUndefined();
    expect(debugging["sys-kernel-tracing.mount"]).toBe("→ /dev/null");
  });

  it("masks what it is told to", () => {
    const files = units({ systemd: { enableEmergencyMode: false, suppressedSystemUnits: ["systemd-logind.service"] } });
    expect(files["emergency.target"]).toBe("→ /dev/null");
    expect(files["systemd-logind.service"]).toBe("→ /dev/null");
  });

  it("is configured by settings and further lines", () => {
    const m = machine({
      systemd: {
        globalEnvironment: { TZ: "UTC" },
        settings: { Manager: { DefaultTimeoutStopSec: "15s" } },
        extraConfig: "DefaultLimitCORE=infinity",
      },
    });
    expect(m.etc("systemd/system.conf")).toBe(
      [
        "[Manager]",
        'DefaultEnvironment="PATH=/run/wrappers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"',
        'DefaultEnvironment="TZ=UTC"',
        "DefaultTimeoutStopSec=15s",
        "DefaultLimitCORE=infinity",
        "",
      ].join("\n"),
    );
    expect(m.etc("systemd/system-preset/00-osmod.preset")).toBe("ignore *\n");
    expect(m.config.environment.etc["systemd/system-generators/systemd-sysv-generator"]?.mode).toBe("symlink");
  });

  it("makes the files that tmpfiles are", () => {
    const m = machine({
      systemd: {
        tmpfiles: {
          rules: ["d /run/one 0755 root root -", mkBefore("d /run/zero - - - -")],
          settings: {
            app: {
              "/var/lib/my app": { d: { user: "app", mode: "0750" }, Z: {} },
              "/x": { "L+": { argument: "a\nb" } },
            },
          },
        },
      },
    });
    expect(m.etc("tmpfiles.d/00-osmod.conf")).toContain("d /run/one 0755 root root -\n");
    expect(m.etc("tmpfiles.d/app.conf")).toBe(
      'd "/var/lib/my app" 0750 app - -\nZ "/var/lib/my app" - - - -\nL+ "/x" - - - - a\\nb\n',
    );
  });

  it("keeps the journal where it is told to", () => {
    const m = machine({
      services: { journald: { storage: "volatile", console: "/dev/ttyS0", extraConfig: "RuntimeMaxUse=8M" } },
    });
    expect(m.etc("systemd/journald.conf")).toMatch(
      /^\[Journal\]\nStorage=volatile\n(.*\n)*ForwardToConsole=yes\nTTYPath=\/dev\/ttyS0\n/,
    );
    expect(m.etc("systemd/journald.conf")).toMatch(/\nRuntimeMaxUse=8M\n$/);
    expect(m.unitFiles()["systemd-journal-flush.service"]).toBe("→ /dev/null");
    expect(m.config.system.build.stage2).not.toContain("journal");
  });

  it("opens the journal on disk at once, unless its directory is a file system that systemd mounts", () => {
    const atOnce = machine({ services: { journald: { storage: "persistent" } } });
    expect(atOnce.config.system.build.stage2).toContain(": > /run/systemd/journal/flushed\n");
    expect(atOnce.unitFiles()["systemd-journal-flush.service"]).toBe("→ /dev/null");
    const later = machine({ fileSystems: { "/var/log/journal": { device: "/dev/vdb", fsType: "ext4" } } });
    expect(later.config.system.build.stage2).not.toContain("flushed");
    expect(later.unitFiles()["systemd-journal-flush.service"]).toBeUndefined();
    const initrd = machine({
      fileSystems: { "/var/log/journal": { device: "/dev/vdb", fsType: "ext4", neededForBoot: true } },
    });
    expect(initrd.config.system.build.stage2).toContain("flushed");
  });
});

describe("mistakes in units", () => {
  it("a line break in a directive is told with the option and the directive", () => {
    const found = problemOf(() =>
      units({ systemd: { services: { a: { serviceConfig: { ExecStart: "/bin/a\nUser=root" } } } } }),
    );
    expect(found).toMatchObject({ code: "unit-value-line-break", option: "systemd.services.a" });
    expect(found.message).toContain("ExecStart");
  });

  it("a continued line is no line break", () => {
    const text = units({ systemd: { services: { a: { serviceConfig: { ExecStart: "/bin/a \\\n  --long" } } } } })[
      "a.service"
    ];
    expect(text).toContain("ExecStart=/bin/a \\\n  --long\n");
  });

  it("a name that cannot be a unit's is refused", () => {
    const found = problemOf(() => units({ systemd: { services: { "my service": { script: "true" } } } }));
    expect(found).toMatchObject({
      code: "unit-name-invalid",
      message: '"my service.service" is not the name of a unit',
    });
  });

  it("two units cannot have one name", () => {
    const found = problemOf(() =>
      units({ systemd: { services: { a: { script: "true" }, b: { script: "true", aliases: ["a.service"] } } } }),
    );
    expect(found).toMatchObject({ code: "unit-name-taken", message: "a.service is already the name of another unit" });
  });

  it.each([
    [
      "an unknown restart rule",
      { serviceConfig: { Restart: "sometimes" } },
      /systemd\.services\.a\.serviceConfig\.Restart/,
    ],
    ["a relation that is no unit", { after: ["network"] }, /systemd\.services\.a\.after/],
    ["a directive that is a set", { serviceConfig: { Foo: { bar: 1 } } }, /systemd\.services\.a\.serviceConfig\.Foo/],
    ["a mode that is no mode", { serviceConfig: { UMask: "rwx" } }, /systemd\.services\.a\.serviceConfig\.UMask/],
  ])("%s is told with its path", (_, service, path) => {
    const definition = { systemd: { services: { a: { script: "true", ...service } } } };
    expect(() => units(definition as never)).toThrow(path);
  });

  it("a unit function sees its own name", () => {
    const files = units({
      systemd: {
        services: { named: ({ name }) => define({ serviceConfig: { ExecStart: () => `/bin/run ${name}` } }) },
      },
    });
    expect(files["named.service"]).toContain("ExecStart=/bin/run named");
  });
});

describe("systemd's own judgement", () => {
  const analyze = tool("systemd-analyze");
  it.skipIf(analyze === undefined)("finds nothing wrong with units that are rendered here", () => {
    const files = units({
      services: { openssh: { enable: true }, nginx: { enable: true, virtualHosts: { a: {} } } },
      systemd: {
        services: {
          a: {
            description: "100% sure",
            environment: { A: 'b "c" \\ d' },
            serviceConfig: { ExecStart: "/bin/true", StateDirectory: "a", ProtectSystem: "strict" },
          },
        },
        sockets: { a: { listenStreams: ["127.0.0.1:8080"] } },
        timers: { a: { timerConfig: { OnCalendar: "daily", Persistent: true } } },
      },
    });
    const own = Object.fromEntries(
      Object.entries(files)
        .filter(([name, text]) => /^[^/]+$/.test(name) && !text.startsWith("→"))
        // Programs of the guest need not exist here.
        .map(([name, text]) => [name, text.replaceAll(/^(Exec\w+=)\S+/gm, "$1/bin/true")]),
    );
    const { output } = judge(analyze!, own, (directory) => [
      "verify",
      "--man=no",
      ...Object.keys(own).map((name) => `${directory}/${name}`),
    ]);
    const about = output.split("\n").filter((line) => Object.keys(own).some((name) => line.includes(`/${name}:`)));
    expect(about).toEqual([]);
  });
});
