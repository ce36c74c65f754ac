/**
 * Derivations from their `.drv` files in the store, as they were before they were written: with all their inputs.
 */
import { readFileSync } from "node:fs";
import { fail } from "../../problems/index.ts";
import { type DerivationData, parseDerivation } from "../aterm.ts";
import { resolveDerivation } from "../derivation.ts";
import { type HashAlgo, parseHash } from "../hash.ts";
import type { Derivation, Source } from "../objects.ts";
import { parseStorePath, type StorePath } from "../path.ts";
import type { State } from "./state.ts";

/** Where else a file may be fetched from, given its address in the `.drv` file. */
export type MoreUrls = (url: string) => readonly string[];

/** Reads derivations out of one store; each once. */
export class Loader {
  readonly #state: State;
  readonly #moreUrls: MoreUrls;
  readonly #known = new Map<StorePath, Derivation>();

  constructor(state: State, moreUrls: MoreUrls = () => []) {
    this.#state = state;
    this.#moreUrls = moreUrls;
  }

  /** All that were read, inputs first. */
  get loaded(): readonly Derivation[] {
    return [...this.#known.values()];
  }

  /** Read one. Problems: `derivation-missing` (it or an input is not in the store), `derivation-malformed`. */
  load(drvPath: StorePath): Derivation {
    const known = this.#known.get(drvPath);
    if (known !== undefined) return known;
    const text = this.#text(drvPath);
    const data = parseDerivation(text);
    const inputDerivations = [...data.inputDerivations].map(([path, outputs]) => {
      return { derivation: this.load(path), outputs };
    });
    const drv = this.#derivation(drvPath, text, data, inputDerivations);
    this.#known.set(drvPath, drv);
    return drv;
  }

  #text(drvPath: StorePath): string {
    if (this.#state.infos.isValid(drvPath)) return readFileSync(this.#state.physical(drvPath), "utf8");
    return fail({
      code: "derivation-missing",
      message: `the description ${drvPath} is not in the store`,
      fix: "Build the machine again: that writes it.",
    });
  }

  #derivation(
    drvPath: StorePath,
    text: string,
    data: DerivationData,
    inputDerivations: Derivation["inputDerivations"],
  ): Derivation {
    const name = (parseStorePath(drvPath)?.name ?? "").slice(0, -".drv".length);
    // As the variable says; a `.drv` has them sorted, and the first is what the object stands for.
    const outputNames = data.env.get("outputs")?.split(" ") ?? [...data.outputs.keys()];
    const outputs = Object.fromEntries([...data.outputs].map(([output, { path }]) => [output, path]));
    const path = outputs[outputNames[0] as string] as StorePath;
    const [{ hash = "", hashAlgo = "" } = {}] = data.outputs.values();
    const mode = hashAlgo.startsWith("r:") ? ("recursive" as const) : ("flat" as const);
    const algo = hashAlgo.replace(/^r:/, "") as HashAlgo;
    const inputs = new Map(inputDerivations.map(({ derivation }) => [derivation.drvPath, derivation]));
    const { modulo } = resolveDerivation(
      {
        ...data,
        name,
        outputs: [...data.outputs.keys()],
        ...(hash === "" ? {} : { fixed: { hash: parseHash(hash, algo), mode } }),
      },
      (input) => (inputs.get(input) as Derivation).modulo,
    );
    return {
      type: "derivation",
      name,
      system: data.system,
      path,
      outPath: path,
      outputs,
      outputNames,
      drvPath,
      ...(hash === "" ? {} : { fixedOutput: { algo, hash, mode } }),
      data: this.#withMoreUrls(data),
      text,
      modulo,
      inputDerivations,
      inputSources: data.inputSources.map((source) => this.#source(source)),
      toString: () => path,
    };
  }

  /** The mirror of that time may be gone; what is fetched is checked by its hash, wherever it comes from. */
  #withMoreUrls(data: DerivationData): DerivationData {
    const url = data.env.get("url");
    if (data.builder !== "builtin:fetchurl" || url === undefined) return data;
    const urls = [...this.#moreUrls(url), ...(data.env.get("urls") ?? url).split(/\s+/)];
    return { ...data, env: new Map([...data.env, ["urls", urls.join(" ")]]) };
  }

  /** A source that is there already; nothing in a store says how it came into being. */
  #source(path: StorePath): Source {
    const narHash = this.#state.infos.isRegistered(path) ? (this.#state.infos.registered(path)?.narHash ?? "") : "";
    const provide = async (): Promise<never> =>
      fail({
        code: "source-missing",
        message: `the source ${path} is not in the store, and nothing there says where it came from`,
        fix: "Build the machine again: that adds it.",
      });
    return {
      type: "source",
      name: parseStorePath(path)?.name ?? path,
      path,
      references: [],
      content: { kind: "tree", narHash, provide },
      toString: () => path,
    };
  }
}
