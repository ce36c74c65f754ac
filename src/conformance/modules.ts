/**
 * Conformance of evaluation: modules in the neutral notation, and the configuration, the errors and the facts about each
 * option that must come out.
 */
import { raw } from "../lib/index.ts";
import { ProblemError } from "../problems/index.ts";
import { difference, type Kind, kindsOf, settle } from "./compare.ts";
import { type Json, type NeutralModule, readModule } from "./neutral.ts";
import { type Result, readJson, runCases } from "./run.ts";

/** One case of the corpus. */
export interface ModuleCase {
  readonly id: string;
  readonly modules: readonly NeutralModule[];
  readonly expected: Expected;
}
interface Expected {
  readonly ok?: Json;
  readonly error?: Kind;
  readonly kinds?: readonly Kind[];
  readonly errors?: readonly { readonly path: readonly (string | number)[] | null; readonly error: Kind }[];
  readonly partial?: Json;
  readonly meta?: { readonly [path: string]: Json };
}

/** Check every case of a file. */
export function run(file: string): Result {
  return runCases(casesOf(readJson(file)), check);
}

/** The cases of a file: a corpus, or a list. */
export function casesOf(data: unknown): readonly ModuleCase[] {
  if (Array.isArray(data)) return data as ModuleCase[];
  const { cases } = data as { readonly cases?: readonly ModuleCase[] };
  return cases ?? (Object.values(data as object) as ModuleCase[]);
}

/** Evaluate the modules of a case. */
export function evaluateCase(modules: readonly NeutralModule[]): raw.RawEvaluation {
  return raw.evaluate({ modules: modules.map(readModule) });
}

/** The difference between what a case gives and what it should give; `undefined` when there is none. */
export function check({ modules, expected }: ModuleCase): string | undefined {
  const evaluation = evaluateCase(modules);
  const got = outcome(() => settle(evaluation.config));
  const problem = expected.error === undefined ? checkValue(got, expected) : checkError(got, expected);
  return problem ?? checkFacts(evaluation, expected.meta ?? {});
}

type Outcome = { readonly value: Json } | { readonly kinds: readonly Kind[] };

function outcome(f: () => Json): Outcome {
  try {
    return { value: f() };
  } catch (error) {
    return { kinds: kindsOf(error) };
  }
}

function checkValue(got: Outcome, { ok }: Expected): string | undefined {
  return "value" in got ? difference(got.value, ok) : `failed with ${got.kinds.join(", ")}, expected a value`;
}

function checkError(got: Outcome, expected: Expected): string | undefined {
  const allowed = expected.kinds ?? [expected.error as Kind];
  const atAll = expected.errors?.some(({ path }) => path?.length === 0) ?? false;
  if ("kinds" in got) {
    if (expected.partial !== undefined) return `failed as a whole with ${got.kinds.join(", ")}`;
    return got.kinds.some((kind) => allowed.includes(kind))
      ? undefined
      : `failed with ${got.kinds.join(", ")}, expected ${allowed.join(" or ")}`;
  }
  if (expected.partial !== undefined) return difference(got.value, expected.partial);
  const found = [...JSON.stringify(got.value).matchAll(/"\$error":"([^"]*)"/g)].map(([, kind]) => kind as Kind);
  if (atAll || found.length === 0) return `gave ${JSON.stringify(got.value)}, expected ${allowed.join(" or ")}`;
  return found.some((kind) => allowed.includes(kind))
    ? undefined
    : `failed with ${found.join(", ")}, expected ${allowed.join(" or ")}`;
}

function checkFacts(evaluation: raw.RawEvaluation, meta: { readonly [path: string]: Json }): string | undefined {
  for (const [path, facts] of Object.entries(meta)) {
    const found = outcome(() => factsOf(evaluation, JSON.parse(path) as string[]));
    if (!("value" in found)) return `facts of ${path}: failed with ${found.kinds.join(", ")}`;
    const problem = difference(found.value, facts, `facts of ${path}`);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function factsOf(evaluation: raw.RawEvaluation, path: readonly string[]): Json {
  const node = evaluation.scope.node(path);
  if (node === undefined) return "no such option";
  const { defs, priority } = survivorsOf(node);
  return {
    highestPrio: priority,
    isDefined: defs.length > 0,
    files: defs.map((def) => def.origin.file),
    type: node.schema.type.description,
    declarations: [...node.schema.files],
  };
}

/**
 * The definitions that count. Nix knows the place and the priority of a definition that throws, unless it has to look at it
 * for them. What is computed may here turn out to have wrappers, so it is run; one that throws is taken as it stands.
 */
function survivorsOf(node: raw.OptionNode): { readonly defs: readonly Definition[]; readonly priority: number } {
  try {
    return node.survivors();
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    const priority = node.highestPrio();
    const strongest = node.candidates().filter((def) => (def.priority ?? def.base) === priority);
    return { defs: strongest.toSorted((a, b) => (a.order ?? 1000) - (b.order ?? 1000)), priority };
  }
}

type Definition = ReturnType<raw.OptionNode["candidates"]>[number];
