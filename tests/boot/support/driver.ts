/** Every verb of osmod/testing on one machine. `../driver.test.ts` runs it the way a user runs tests. */
import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { define, defineMachine } from "osmod";
import { type GuestError, type GuestMachine, machineFixtures } from "osmod/testing";
import { describe, expect, test } from "vitest";

const machine = defineMachine({
  config: define({
    networking: { hostName: "driver" },
    system: { stateVersion: "13" },
    users: { users: { root: { initialPassword: "root" }, alice: { isNormalUser: true } } },
    virtualisation: { graphics: true, emptyDiskImages: [16] },
    systemd: {
      services: {
        hello: {
          wantedBy: ["multi-user.target"],
          serviceConfig: {
            Type: "oneshot",
            RemainAfterExit: true,
            ExecStart: "/bin/sh -c 'sleep 2; echo hello world'",
          },
        },
        broken: { serviceConfig: { Type: "oneshot", ExecStart: "/bin/sh -c 'echo the reason; exit 7'" } },
        "echo@": { serviceConfig: { ExecStart: "/bin/cat", StandardInput: "socket" } },
      },
      sockets: {
        echo: { listenStreams: ["7777", "/run/echo.sock"], socketConfig: { Accept: true } },
      },
    },
  }),
});

const emptyDisk = "/dev/disk/by-id/virtio-empty0";

const it = test.extend<{ m: GuestMachine }>(machineFixtures({ m: machine }));

/** The problem that something ends with. */
async function problemOf(work: Promise<unknown>) {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toHaveProperty("problems");
  return { ...(error as GuestError).problems[0], text: (error as GuestError).message };
}

describe("units", () => {
  it("are waited for while the machine boots", async ({ m }) => {
    await m.waitForUnit("hello.service");
    await m.waitForUnit("multi-user.target");
    await m.requireUnitState("hello.service");
    expect(await m.getUnitProperty("hello.service", "Result")).toBe("success");
    expect((await m.getUnitInfo("hello.service"))["SubState"]).toBe("exited");
    expect(await m.journal("hello.service")).toContain("hello world");
    expect(await m.systemctl(["is-enabled", "hello.service"])).toBe("enabled\n");
  });

  it("that fail are told of at once, with their journal", async ({ m }) => {
    expect((await problemOf(m.startJob("broken.service"))).code).toBe("guest-command-failed");
    const { code, text } = await problemOf(m.waitForUnit("broken.service"));
    expect(code).toBe("unit-not-active");
    expect(text).toContain("has failed");
    expect(text).toContain("the reason");
    expect((await problemOf(m.requireUnitState("broken.service"))).code).toBe("unit-state");
    expect((await problemOf(m.getUnitProperty("hello.service", "NoSuch"))).code).toBe("unit-property-unknown");
  });

  it("that nothing starts are told of at once", async ({ m }) => {
    const { code, text } = await problemOf(m.waitForUnit("echo.socket"));
    expect(code).toBe("unit-not-active");
    expect(text).toContain("no job is waiting");
  });
});

describe("ports, sockets and files", () => {
  it("are waited for", async ({ m }) => {
    await m.waitForClosedPort(7777);
    const open = Promise.all([m.waitForOpenPort(7777), m.waitForOpenUnixSocket("/run/echo.sock")]);
    await m.startJob("echo.socket");
    await open;
    const closed = m.waitForClosedPort(7777);
    await m.stopJob("echo.socket");
    await closed;
    const file = m.waitForFile("/tmp/there it is");
    await m.succeed("touch '/tmp/there it is'");
    await file;
  });

  it("that do not come are told of in time", async ({ m }) => {
    const { code, text } = await problemOf(m.waitForFile("/never", { timeoutSeconds: 0.5 }));
    expect(code).toBe("wait-timeout");
    expect(text).toContain("the file /never");
  });
});

describe("commands", () => {
  it("succeed and fail, and say so when they should not", async ({ m }) => {
    expect(await m.succeed("echo out; echo err >&2")).toBe("out\n");
    expect(await m.fail("echo out; echo err >&2; exit 3")).toBe("out\nerr\n");
    expect(await m.execute("false | true")).toMatchObject({ exitCode: 1 });
    const { code, text } = await problemOf(m.succeed("echo some output; echo its reason >&2; exit 4"));
    expect(code).toBe("guest-command-failed");
    expect(text).toContain("ended with 4");
    expect(text).toContain("some output");
    expect(text).toContain("its reason");
    expect(text).toContain("the console ends with");
    expect((await problemOf(m.fail("true"))).code).toBe("guest-command-succeeded");
  });

  it("have an input, an environment, another user, and a time", async ({ m }) => {
    expect(await m.succeed('cat; echo "$WORD"', { stdin: "in\n", env: { WORD: "a 'b'" } })).toBe("in\na 'b'\n");
    expect(await m.succeed("id -un; pwd", { user: "alice" })).toBe("alice\n/home/alice\n");
    expect((await problemOf(m.succeed("sleep 100", { timeoutSeconds: 0.4 }))).code).toBe("guest-command-timeout");
    expect(await m.execute("pgrep -x sleep")).toMatchObject({ exitCode: 1 });
  });

  it("are repeated until they succeed or fail", async ({ m }) => {
    const appeared = m.waitUntilSucceeds("cat /tmp/appears");
    await m.succeed("echo here > /tmp/appears");
    expect(await appeared).toBe("here\n");
    const gone = m.waitUntilFails("test -e /tmp/appears");
    await m.succeed("rm /tmp/appears");
    await gone;
    expect((await problemOf(m.waitUntilSucceeds("false", { timeoutSeconds: 0.1 }))).text).toContain("did not succeed");
  });

  it("say a hundred megabytes, and little memory is needed for it on either side", async ({ m }) => {
    let bytes = 0;
    const before = process.memoryUsage().rss;
    let most = before;
    const { stderr } = await m.execute("head -c 100000000 /dev/zero; df --output=used -k /run | tail -n 1 >&2", {
      timeoutSeconds: 600,
      onStdout: (chunk) => {
        bytes += chunk.length;
        most = Math.max(most, process.memoryUsage().rss);
      },
    });
    expect(bytes).toBe(100_000_000);
    expect(most - before).toBeLessThan(80_000_000);
    expect(Number(stderr)).toBeLessThan(60_000);
    expect(await m.succeed("find /run/osmod-exec -size +1M ! -name busybox | wc -l")).toBe("0\n");
  });
});

describe("files of the host", () => {
  it("are copied in and out, with modes and links", async ({ m }) => {
    const here = join(process.cwd(), "files");
    mkdirSync(join(here, "in/below"), { recursive: true });
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 256));
    writeFileSync(join(here, "in/below/it's a file"), bytes, { mode: 0o640 });
    symlinkSync("it's a file", join(here, "in/below/link"));
    await m.copyFromHost(join(here, "in"), "/tmp/copied");
    expect(await m.succeed("stat -c %a:%s /tmp/copied/below/it\\'s*; readlink /tmp/copied/below/link")).toBe(
      "640:70000\nit's a file\n",
    );
    await m.copyFromMachine("/tmp/copied", join(here, "out"));
    expect(readFileSync(join(here, "out/below/it's a file")).equals(bytes)).toBe(true);
    expect(statSync(join(here, "out/below/it's a file")).mode & 0o777).toBe(0o640);
    expect(readFileSync(join(here, "out/below/link")).equals(bytes)).toBe(true);
    rmSync(here, { recursive: true });
  });
});

describe("console, keyboard, screen", () => {
  it("the serial console is read and typed at", async ({ m }) => {
    await m.waitForConsoleText(/driver login: /);
    m.sendConsole("root\n");
    await m.waitForConsoleText("Password: ");
    m.sendConsole("root\n");
    await m.waitForConsoleText(/root@driver.*# /);
    m.sendConsole("echo con''sole\n");
    await m.waitForConsoleText(/^console$/m);
    expect((await problemOf(m.waitForConsoleText("never", { timeoutSeconds: 0.2 }))).code).toBe("wait-timeout");
  });

  it("a picture is a PNG of the whole screen, and keys are pressed", async ({ m }) => {
    const file = join(process.cwd(), "screen.png");
    const picture = async (): Promise<Buffer> => {
      await m.screenshot(file);
      const png = readFileSync(file);
      rmSync(file);
      return png;
    };
    const before = await picture();
    expect(before.subarray(1, 4).toString()).toBe("PNG");
    // A guest without a driver for the screen has another size, and a picture that stays as it is.
    expect([before.readUInt32BE(16), before.readUInt32BE(20)]).toEqual([1024, 768]);
    await m.succeed("systemctl start getty@tty1 && sleep 1");
    await m.sendChars("root\n");
    await m.sendKey("ctrl-l");
    await m.sendKeys(["a", "backspace"]);
    await m.waitUntilTtyMatches(1, /assword/, { timeoutSeconds: 15 });
    expect((await picture()).equals(before)).toBe(false);
  });
});

describe("the network", () => {
  it("is unplugged and plugged in", async ({ m }) => {
    const carriers = "{ cat /sys/class/net/e*/carrier 2> /dev/null || :; } | sort | tr -d '\\n'";
    await m.waitUntilSucceeds(`[ "$(${carriers})" = 111 ]`);
    await m.block();
    await m.waitUntilSucceeds(`[ "$(${carriers})" = 011 ]`);
    await m.unblock();
    await m.waitUntilSucceeds(`[ "$(${carriers})" = 111 ]`);
  });
});

describe("the machine's life", () => {
  it("goes on as another system", async ({ m }) => {
    const changed = defineMachine({
      imports: [machine],
      config: { environment: { etc: { marker: { text: "changed\n" } } } },
    });
    await m.switchTo(changed);
    expect(await m.succeed("cat /etc/marker")).toBe("changed\n");
  });

  it("goes on after a reboot, with its disks", async ({ m }) => {
    await m.waitForFile(emptyDisk);
    await m.succeed(
      `echo mark > ${emptyDisk}; echo kept > /root/kept; cat /proc/sys/kernel/random/boot_id > /root/boot; sync`,
    );
    const hanging = problemOf(m.execute("sleep 1000"));
    await m.reboot();
    expect((await hanging).code).toMatch(/^guest-/);
    await m.waitForUnit("multi-user.target");
    expect(await m.succeed("cat /root/kept")).toBe("kept\n");
    // No unit waits for it.
    await m.waitForFile(emptyDisk);
    expect(await m.succeed(`head -c 5 ${emptyDisk}`)).toBe("mark\n");
    await m.fail("cmp -s /root/boot /proc/sys/kernel/random/boot_id");
  });

  it("ends by a crash, and starts again with an empty disk that is empty", async ({ m }) => {
    await m.crash();
    expect(m.running).toBe(false);
    expect((await problemOf(m.execute("true"))).code).toBe("machine-not-running");
    await m.start();
    await m.waitForUnit("multi-user.target");
    expect(await m.succeed("cat /root/kept")).toBe("kept\n");
    await m.waitForFile(emptyDisk);
    expect(await m.succeed(`head -c 5 ${emptyDisk}`)).toBe("\0".repeat(5));
  });

  it("ends by a shutdown", async ({ m }) => {
    await m.shutdown();
    expect(m.running).toBe(false);
    await m.forceShutdown();
  });
});
