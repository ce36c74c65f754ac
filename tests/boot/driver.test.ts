/** Tests of machines the way users run them: `osmod test` in a project with vitest, as an ordinary user. */
import { existsSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Installed, projectRoot } from "../helpers/installed.ts";

const home = new Installed("driver");

beforeAll(() => {
  home.makeDirectory(join(home.home, "node_modules"));
  symlinkSync(dirname(dirname(dirname(home.main))), join(home.home, "node_modules/osmod"));
  symlinkSync(join(projectRoot, "node_modules/vitest"), join(home.home, "node_modules/vitest"));
});

afterAll(() => home.remove());

describe("osmod test", () => {
  it("passes with every verb on one machine", async () => {
    home.copy("tests/boot/support/driver.ts", "driver/driver.test.ts");
    await passes("driver", "driver.test.ts");
  }, 1_200_000);

  it.each(["webapp", "lan"])(
    "passes for examples/%s",
    async (example) => {
      home.copy(`examples/${example}`, example);
      await passes(example, "machine.test.ts");
    },
    1_200_000,
  );

  it("says so when there is no vitest", async () => {
    const elsewhere = home.makeDirectory(join(home.home, "../", `osmod no vitest ${process.pid}`));
    const { code, stderr } = await home.osmod(["test"], { cwd: elsewhere });
    expect(code).toBe(1);
    expect(stderr).toContain("vitest-missing");
  });
});

/** Run a project's tests; what they said is the message when they fail. */
async function passes(folder: string, file: string): Promise<void> {
  const cwd = join(home.home, folder);
  home.giveAll(cwd);
  const { code, stdout, stderr } = await home.osmod(["test", "--log", file], { cwd });
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  expect(existsSync(join(cwd, "driver.qcow2")), "the disk is not made beside the test").toBe(false);
}
