import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { run } from "../../examples/tool/backup.ts";

const folder = mkdtempSync(join(tmpdir(), "osmod-tool-"));
afterAll(() => rmSync(folder, { recursive: true }));
const settings = join(import.meta.dirname, "../../examples/tool/settings.yaml");
const written = (text: string): string => {
  const file = join(folder, "settings.yaml");
  writeFileSync(file, text);
  return file;
};

describe("a tool made with the module system", () => {
  it("makes a plan of what its own modules and a YAML file say", async () => {
    expect((await run(settings)).split("\n")).toEqual([
      "every day: /home to /mnt/backup/home, keep 7",
      "every hour: /var/lib/postgresql to /mnt/backup/database, keep 48",
    ]);
  });

  it("tells where a value comes from, to the line of the YAML file", async () => {
    const text = await run(settings, ["explain", "jobs.home.exclude"]);
    expect(text).toContain('settings.yaml:5  ["**/node_modules"]');
    expect(text).toMatch(/backup\.ts:\d+ {2}\["\*\*\/\.cache"\]/);
  });

  it("names the line of a misspelt setting, and the one that was meant", async () => {
    const plan = run(written("target: /b\njobs:\n  home:\n    pahts: [/home]\n"));
    await expect(plan).rejects.toMatchObject({
      problems: [
        {
          code: "option-unknown",
          option: "jobs.home.pahts",
          sites: [{ line: 4 }],
          fix: expect.stringContaining("paths"),
        },
      ],
    });
  });

  it("refuses what its assertions refuse", async () => {
    const plan = run(written("target: /home\njobs:\n  home:\n    paths: [/home]\n"));
    await expect(plan).rejects.toMatchObject({ problems: [{ code: "assertion-failed" }] });
  });

  it("describes its settings to editors", async () => {
    const schema = JSON.parse(await run(settings, ["schema"])) as { properties: { target: { description: string } } };
    expect(schema.properties.target.description).toBe("Where backups go.");
  });
});
