import { describe, expect, it } from "vitest";
import { documentOptions, evalModules } from "../../src/lib/index.ts";
import { standardModules } from "../../src/modules/index.ts";
import { stubPackages } from "./support/rendered.ts";

const evaluation = evalModules({ modules: [standardModules], specialArgs: { pkgs: stubPackages().pkgs } });
/** What a user may set; results and inner workings need no example. */
const options = documentOptions(evaluation).filter((option) => option.visible && !option.internal && !option.readOnly);
/** Options of the kinds of machine parts that these tests are about. */
const ours = options.filter(({ name }) => /^(systemd|networking|services|programs)\./.test(name));

describe("the options of systemd, the network, services and programs", () => {
  it("are many, and each says what it is for in a sentence", () => {
    expect(ours.length).toBeGreaterThan(400);
    const wordless = ours.filter(({ description }) => description === null || !/[.!…`)]$/.test(description.trim()));
    expect(wordless.map(({ name }) => name)).toEqual([]);
  });

  it("have an example each", () => {
    const moved = (name: string): boolean => name === "services.logind.killUserProcesses";
    expect(
      ours.filter((option) => option.example === undefined && !moved(option.name)).map(({ name }) => name),
    ).toEqual([]);
  });

  it("have a default, or must be set", () => {
    const needed = ours.filter((option) => option.default === undefined).map(({ name }) => name);
    // Only elements of lists and sets have something that nobody can guess.
    expect(needed.filter((name) => !/[*]|<name>|defaultGateway6?\.address$|killUserProcesses$/.test(name))).toEqual([]);
  });
});
