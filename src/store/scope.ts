/**
 * A scope: where store objects are described, and where the strings that name them are understood.
 *
 * Strings carry no context in JavaScript. A scope therefore remembers every object made in it; when a string with a
 * store path in it goes into a derivation, the path is looked up, and what has it becomes an input:
 *
 *     const conf = scope.derivation({ name: "web.conf", … });
 *     scope.derivation({ name: "unit", env: { text: `ExecStart=nginx -c ${conf}` }, … });   // has conf as an input
 *
 * A path nobody made is a problem right there (`store-path-unknown`), not a missing file in the sandbox later.
 * Everything here is pure and synchronous; nothing is read, written or built.
 */
import { fail } from "../problems/index.ts";
import { resolveDerivation } from "./derivation.ts";
import { type HashAlgo, isHashAlgo, parseHash, toHex } from "./hash.ts";
import { hashPart, mentions } from "./mentions.ts";
import type { Derivation, ProvideSource, Source, StoreObject } from "./objects.ts";
import { checkName, type FixedMode, fixedPath, type StorePath, textPath } from "./path.ts";

/** What {@link StoreScope.derivation} takes. */
export interface DerivationSpec {
  readonly name: string;
  /** `x86_64-linux`, or `builtin` for what every store does itself. */
  readonly system: string;
  /** A program in the store, or `builtin:fetchurl`. */
  readonly builder: string | StoreObject;
  readonly args?: readonly (string | StoreObject)[];
  readonly env?: { readonly [name: string]: string | StoreObject };
  /** Default: `["out"]`. The first is what the object's string stands for. */
  readonly outputs?: readonly string[];
  /** The hash the only output must have; such a derivation may reach the network. */
  readonly fixedOutput?: { readonly hash: string; readonly algo: HashAlgo; readonly mode: FixedMode };
}

/** What {@link StoreScope.source} takes. */
export interface SourceSpec {
  readonly name: string;
  /** Hash of the tree's NAR, in any spelling. */
  readonly narHash: string;
  /** Gives the tree when a store first needs it; the hash is checked. */
  readonly provide: ProvideSource;
}

/** An object and which of its outputs a path is. */
interface Known {
  readonly path: StorePath;
  readonly object: Derivation | Source;
  readonly output?: string;
}

/**
 * Describes store objects and remembers them by path.
 *
 * @example
 * import { StoreScope } from "osmod/store";
 *
 * const scope = new StoreScope();
 * const page = scope.text("page", "Hello.\n");
 *
 * page.path; // "/nix/store/0q3dxlpx468lw16336yq3yvxn2syh5dj-page"
 */
export class StoreScope {
  /** By the 32 digits of each output's or source's path. */
  readonly #known = new Map<string, Known>();
  readonly #byDrvPath = new Map<StorePath, Derivation>();

  /**
   * Describe something to be built. The same description gives the same object.
   * Problems: `store-name-invalid`, `store-path-unknown`, `derivation-invalid`.
   */
  derivation(spec: DerivationSpec): Derivation {
    checkSpec(spec);
    const outputNames = spec.outputs ?? ["out"];
    const builder = textOf(spec.builder);
    const args = (spec.args ?? []).map(textOf);
    const env = environment(spec, builder);
    const inputs = this.#inputs(spec.name, [builder, ...args, ...env.keys(), ...env.values()]);
    const fixed =
      spec.fixedOutput === undefined
        ? undefined
        : { hash: parseHash(spec.fixedOutput.hash, spec.fixedOutput.algo), mode: spec.fixedOutput.mode };
    const resolved = resolveDerivation(
      {
        name: spec.name,
        system: spec.system,
        builder,
        args,
        env,
        outputs: outputNames,
        inputDerivations: new Map([...inputs.derivations].map(([drv, outputs]) => [drv.drvPath, [...outputs]])),
        inputSources: [...inputs.sources].map((source) => source.path),
        ...(fixed === undefined ? {} : { fixed }),
      },
      (path) => (this.#byDrvPath.get(path) as Derivation).modulo,
    );
    const existing = this.#byDrvPath.get(resolved.drvPath);
    // Output names are sorted in the text: two orders are one derivation that stands for different outputs.
    if (existing !== undefined && existing.outputNames[0] === outputNames[0]) return existing;
    const outputs = Object.fromEntries(
      outputNames.map((name) => [name, (resolved.data.outputs.get(name) as { path: StorePath }).path]),
    );
    const path = outputs[outputNames[0] as string] as StorePath;
    const drv: Derivation = {
      type: "derivation",
      name: spec.name,
      system: spec.system,
      path,
      outPath: path,
      outputs,
      outputNames,
      drvPath: resolved.drvPath,
      ...(fixed === undefined
        ? {}
        : { fixedOutput: { algo: fixed.hash.algo, hash: toHex(fixed.hash), mode: fixed.mode } }),
      data: resolved.data,
      text: resolved.text,
      modulo: resolved.modulo,
      inputDerivations: [...inputs.derivations].map(([derivation, names]) => ({ derivation, outputs: [...names] })),
      inputSources: [...inputs.sources],
      toString: () => path,
    };
    this.#byDrvPath.set(drv.drvPath, drv);
    for (const [output, at] of Object.entries(outputs)) this.#remember({ path: at, object: drv, output });
    return drv;
  }

  /**
   * Describe a text file. It may name sources; what a builder makes has to go through a derivation.
   * Problems: `store-name-invalid`, `store-path-unknown`, `text-refers-to-derivation`.
   */
  text(name: string, text: string): Source {
    checkName(name);
    const inputs = this.#inputs(name, [text]);
    const [built] = inputs.derivations.keys();
    if (built !== undefined) {
      fail({
        code: "text-refers-to-derivation",
        message: `the text ${name} names ${built.path}, which has to be built first`,
        fix: "Write the file with a derivation (`writeText` of the package set) instead of a plain text.",
      });
    }
    const references = [...inputs.sources];
    const path = textPath(
      name,
      text,
      references.map((source) => source.path),
    );
    return this.#source({
      type: "source",
      name,
      path,
      references,
      content: { kind: "text", text },
      toString: () => path,
    });
  }

  /** Describe a file or tree by the hash of its NAR; `provide` is asked for it only when a store lacks it. */
  source(spec: SourceSpec): Source {
    checkName(spec.name);
    const path = fixedPath(spec.name, "recursive", parseHash(spec.narHash, "sha256"));
    const { narHash, provide } = spec;
    return this.#source({
      type: "source",
      name: spec.name,
      path,
      references: [],
      content: { kind: "tree", narHash, provide },
      toString: () => path,
    });
  }

  /** The object that has this path (of a source, an output, or a `.drv`), if it was made here. */
  lookup(path: StorePath): Derivation | Source | undefined {
    const known = this.#known.get(hashPart(path));
    return known?.path === path ? known.object : this.#byDrvPath.get(path);
  }

  #source(source: Source): Source {
    const existing = this.lookup(source.path);
    if (existing?.type === "source") return existing;
    this.#remember({ path: source.path, object: source });
    return source;
  }

  #remember(known: Known): void {
    this.#known.set(hashPart(known.path), known);
  }

  #inputs(user: string, texts: Iterable<string>): { derivations: Map<Derivation, Set<string>>; sources: Set<Source> } {
    const derivations = new Map<Derivation, Set<string>>();
    const sources = new Set<Source>();
    for (const text of texts) {
      for (const mention of mentions(text, (hash) => this.#known.get(hash)?.path)) {
        if (mention.path === undefined) this.#unknown(user, mention.text);
        const { object, output } = this.#known.get(hashPart(mention.path)) as Known;
        if (object.type === "source") {
          sources.add(object);
          continue;
        }
        const outputs = derivations.get(object) ?? new Set();
        derivations.set(object, outputs.add(output as string));
      }
    }
    return { derivations, sources };
  }

  #unknown(user: string, text: string): never {
    const drv = this.#byDrvPath.get(text);
    return fail({
      code: "store-path-unknown",
      message:
        drv === undefined
          ? `${user} names ${text}, which nothing here makes`
          : `${user} names ${text}, which says how ${drv.name} is built and is not what its builder makes`,
      fix:
        drv === undefined
          ? "Interpolate the store object itself (`${object}`) and make it with the same package set; a path typed by hand or made elsewhere cannot be an input."
          : `Name the output, ${drv.outPath}, instead.`,
    });
  }
}

const OUTPUT_NAME = /^[0-9a-zA-Z+\-._?=]+$/;

function checkSpec(spec: DerivationSpec): void {
  checkName(spec.name);
  const invalid = (message: string, fix: string): never =>
    fail({ code: "derivation-invalid", message: `the derivation ${spec.name} ${message}`, fix });
  if (spec.name.endsWith(".drv")) invalid("has a name that ends in .drv", "Name it after what it makes.");
  const outputs = spec.outputs ?? ["out"];
  if (outputs.length === 0) invalid("has no outputs", 'Leave `outputs` out for the one output "out".');
  for (const output of outputs) {
    if (!OUTPUT_NAME.test(output) || output === "drv")
      invalid(`has an output called ${JSON.stringify(output)}`, "Name outputs like store objects, and none `drv`.");
  }
  if (new Set(outputs).size !== outputs.length) invalid("names an output twice", "Give each output a name of its own.");
  if (spec.fixedOutput !== undefined && !isHashAlgo(spec.fixedOutput.algo))
    invalid(`has the hash algorithm ${JSON.stringify(spec.fixedOutput.algo)}`, "Use sha256.");
}

/** The environment as Nix's `derivation` primitive makes it: the given variables and the derivation's own facts. */
function environment(spec: DerivationSpec, builder: string): Map<string, string> {
  const env = new Map(Object.entries(spec.env ?? {}).map(([name, value]) => [name, textOf(value)]));
  env.set("name", spec.name);
  env.set("system", spec.system);
  env.set("builder", builder);
  if (spec.outputs !== undefined) env.set("outputs", spec.outputs.join(" "));
  if (spec.fixedOutput !== undefined) {
    env.set("outputHash", spec.fixedOutput.hash);
    env.set("outputHashAlgo", spec.fixedOutput.algo);
    env.set("outputHashMode", spec.fixedOutput.mode);
  }
  return env;
}

function textOf(value: string | StoreObject): string {
  return typeof value === "string" ? value : value.path;
}
