import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LanguageServer, type Position } from "./support/language-server.ts";

const root = resolve(import.meta.dirname, "../..");
const directory = mkdtempSync(join(tmpdir(), "editor-"));
const file = join(directory, "machine.ts");
let server: LanguageServer;

const head = `import { declareOptions, define, defineModule, mkEnableOption, mkForce, mkIf, mkMerge, mkOption, mkTransform, t } from ${JSON.stringify(join(root, "src/lib/index.ts"))};
const options = declareOptions({
  services: {
    web: {
      /** Whether to serve pages. */
      enable: mkOption({ type: t.bool, default: false, description: "Whether to serve pages." }),
      /** Where to listen. */
      port: mkOption({ type: t.port, default: 80, description: "Where to listen." }),
      login: mkOption({ type: t.enum(["yes", "no"]), default: "no" }),
      sites: mkOption({ type: t.attrsOf(t.submodule({ root: mkOption({ type: t.path, description: "What to serve." }) })), default: {} }),
    },
    mail: { enable: mkEnableOption("the mail server") },
  },
});
export default defineModule<typeof options>({
  config: ({ config }) => `;

/** Open a machine whose configuration is this text; a bar in it is the position that is returned. */
function open(config: string): Position {
  const text = `${head}${config},\n});\n`;
  const bar = text.indexOf("¦");
  const before = text.slice(0, Math.max(bar, 0)).split("\n");
  server.open(file, text.replace("¦", ""));
  return { line: before.length - 1, character: before.at(-1)?.length ?? 0 };
}

beforeAll(async () => {
  const compilerOptions = { types: [], noUnusedLocals: false };
  const config = { extends: join(root, "tsconfig.json"), compilerOptions, include: ["machine.ts"] };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  writeFileSync(file, "");
  server = await LanguageServer.start(root, directory);
}, 30_000);
afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

describe("an editor", () => {
  it("offers the options that there are, at any depth and inside wrappers", { timeout: 30_000 }, async () => {
    const web = ["enable", "login", "port", "sites"];
    expect((await server.completions(file, open("define({ services: { ¦ } })"))).sort()).toEqual(["mail", "web"]);
    for (const text of [
      "define({ services: { web: { ¦ } } })",
      "mkIf(() => true, { services: { web: { ¦ } } })",
      "mkMerge([{ services: mkIf(() => true, { web: mkForce({ ¦ }) }) }])",
    ]) {
      expect((await server.completions(file, open(text))).sort(), text).toEqual(expect.arrayContaining(web));
    }
    const site = "define({ services: { web: { sites: { blog: { ¦ } } } } })";
    expect(await server.completions(file, open(site))).toContain("root");
    const login = 'define({ services: { web: { login: mkForce("¦") } } })';
    expect((await server.completions(file, open(login))).sort()).toEqual(["no", "yes"]);
    expect(
      await server.completions(file, open("define({ services: { web: { enable: () => config.services.¦ } } })")),
    ).toEqual(expect.arrayContaining(["mail", "web"]));
  });

  it("shows the type and the description of an option wherever it is defined, and the type where it is read", {
    timeout: 30_000,
  }, async () => {
    const defined = await server.hover(file, open("define({ services: { web: { po¦rt: 80 } } })"));
    expect(defined).toContain('port?: Described<Lazy<number>, "Where to listen.">');
    const forced = await server.hover(file, open("mkMerge([{ services: mkForce({ web: { po¦rt: 80 } }) }])"));
    expect(forced).toContain('port?: Described<Lazy<number>, "Where to listen.">');
    const inSubmodule = open('define({ services: { web: { sites: { blog: mkIf(() => true, { ro¦ot: "/" }) } } } })');
    expect(await server.hover(file, inSubmodule)).toContain('"What to serve."');
    const undescribed = await server.hover(file, open('define({ services: { web: { lo¦gin: "no" } } })'));
    expect(undescribed).toContain('login?: Def<Lazy<"no" | "yes">>');
    const enabled = await server.hover(file, open("define({ services: { mail: { en¦able: true } } })"));
    expect(enabled).toContain('"Whether to enable the mail server."');
    const readAt = open("define({ services: { mail: { enable: () => config.services.web.en¦able } } })");
    expect(await server.hover(file, readAt)).toContain("enable: boolean");
    const changed = await server.hover(
      file,
      open("define({ services: { web: { port: mkTransform((n¦) => n + 1) } } })"),
    );
    expect(changed).toContain("n: number");
    const declared = open("define({})");
    const line = head.split("\n").findIndex((text) => text.trimStart().startsWith("port:"));
    expect(await server.hover(file, { ...declared, line, character: 7 })).toContain("Where to listen.");
  });

  it("shows the descriptions of the standard modules", { timeout: 60_000 }, async () => {
    const text = `import { defineModule } from ${JSON.stringify(join(root, "src/lib/index.ts"))};
import type { Std } from ${JSON.stringify(join(root, "src/modules/index.ts"))};
export default defineModule<Std>({ config: { networking: { hostName: "web" } } });\n`;
    server.open(file, text);
    const shown = await server.hover(file, { line: 2, character: text.split("\n")[2]?.indexOf("hostName") ?? 0 });
    expect(shown).toMatch(/hostName\?: Described<Lazy<string>, ".+">/);
  });

  it("leads from a definition and from a use to the declaration", { timeout: 30_000 }, async () => {
    const line = head.split("\n").findIndex((text) => text.trimStart().startsWith("enable:"));
    const defined = open("mkIf(() => true, { services: { web: { en¦able: true } } })");
    expect(await server.definitions(file, defined)).toContain(line);
    const read = open("define({ services: { mail: { enable: () => config.services.web.en¦able } } })");
    expect(await server.definitions(file, read)).toContain(line);
  });

  it("marks a misspelt option at its own place, whatever stands around it", { timeout: 30_000 }, async () => {
    for (const text of [
      "define({ services: { web: { ¦prot: 80 } } })",
      "mkIf(() => true, { services: { web: { ¦prot: 80 } } })",
      "mkMerge([{ services: { web: { ¦prot: 80 } } }])",
      "mkMerge([{ services: mkIf(() => true, mkForce({ web: { ¦prot: 80 } })) }])",
      "define({ services: { web: { sites: { blog: mkForce({ ¦prot: 80 }) } } } })",
    ]) {
      const place = open(text);
      const found = (await server.diagnostics(file)).filter(({ severity }) => severity === 1);
      expect(found, text).toHaveLength(1);
      expect(found[0]?.range.start).toEqual(place);
      expect(found[0]?.message).toMatch(/'prot' does not exist in type /);
    }
    open("mkMerge([{ services: mkIf(() => true, mkForce({ web: { port: 80 } })) }])");
    expect((await server.diagnostics(file)).filter(({ severity }) => severity === 1)).toEqual([]);
  });
});
