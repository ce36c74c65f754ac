/**
 * Nix's error messages as problems. Pure.
 *
 * What failed is told once; that other derivations could then not be built follows from it and is left out. Words that
 * are not known are quoted as they are: the list below is for codes that somebody acts on, not for completeness.
 */
import { type Problem, problem } from "../../problems/index.ts";
import { timedOut } from "../embedded/limits.ts";
import type { Derivation } from "../objects.ts";
import type { StorePath } from "../path.ts";
import { failed } from "./command.ts";
import { distrust, featureMissing, isDistrust, type Refusal, stuck, tellsOfNeed } from "./machines.ts";

/** What is known besides the messages. */
export interface FailureContext {
  readonly byDrvPath: ReadonlyMap<StorePath, Derivation>;
  /** Last lines of each builder. */
  readonly logs: ReadonlyMap<StorePath, readonly string[]>;
  /** Where each was built, if not here. */
  readonly machines?: ReadonlyMap<StorePath, string>;
  /** Machines that could not be built on. */
  readonly refusals?: readonly Refusal[];
}

interface Understanding extends FailureContext {
  /** Errors that do not say what they are about. */
  readonly unknown: readonly string[];
}

/** A problem and the derivation that has it. */
interface Understood {
  readonly about: StorePath;
  readonly problem: Problem;
}

const BUILDER =
  /builder for '([^']+\.drv)' (failed[^;\n]*|was [^;\n]*)|Cannot build '([^']+\.drv)'\.\s+Reason: builder (failed[^\n]*?)\.?(?:\n|$)/;
const MISMATCH = /hash mismatch in fixed-output derivation '([^']+)':\s+(?:specified|wanted):\s+(\S+)\s+got:\s+(\S+)/;
const FEATURES = /a '([^']+)' with features \{([^}]*)\} is required to build '([^']+)'/;
const TIMEOUT = /building of '([^'!]+\.drv)[^']*' timed out after (\d+) seconds( of silence)?/;
const CONSEQUENCE = /dependenc(?:y|ies) of derivation .* failed|^(?:error: )?build of .* failed$|Reason: \d+ dependenc/;
const ELSEWHERE = /^(?:error: )?build of '([^']+)' on '([^']+)' failed: /;

/** What says by itself what it is about, or nothing new. */
const KNOWN = [BUILDER, MISMATCH, FEATURES, TIMEOUT, CONSEQUENCE, ELSEWHERE];

/** One problem for each thing that failed; at least one. */
export function problemsOf(messages: readonly string[], context: FailureContext): [Problem, ...Problem[]] {
  const unknown = messages.filter((text) => !KNOWN.some((known) => known.test(text)) && !tellsOfNeed(text));
  const found = new Map<string, Problem>();
  for (const message of messages) {
    const known = understand(message, { ...context, unknown });
    // Of what failed on another machine Nix tells twice, and the second time without the builder's exit code.
    if (known !== undefined) found.set(known.about, found.get(known.about) ?? known.problem);
  }
  const idle = stuck(messages, context.refusals ?? [], (path) => nameOf(path, context));
  const [first, ...rest] = [...found.values(), ...idle];
  if (first !== undefined) return [first, ...rest];
  return [failed("nix-store --realise", (unknown.length > 0 ? unknown : messages).join("\n"))];
}

function understand(message: string, context: Understanding): Understood | undefined {
  const elsewhere = ELSEWHERE.exec(message);
  if (elsewhere !== null) return failedElsewhere(elsewhere, message.slice(elsewhere[0].length), context);
  const mismatch = MISMATCH.exec(message);
  if (mismatch !== null) return hashMismatch(mismatch, context);
  const features = FEATURES.exec(message);
  if (features !== null) {
    const [, system = "", named = "", about = ""] = features;
    return { about, problem: featureMissing(nameOf(about, context), { system, features: named }) };
  }
  const timeout = TIMEOUT.exec(message);
  if (timeout !== null) {
    const [, about = "", seconds, silence] = timeout;
    const why = silence === undefined ? "took" : "said nothing for";
    return { about, problem: timedOut(nameOf(about, context), `${why} more than ${seconds} seconds`) };
  }
  const builder = BUILDER.exec(message);
  if (builder === null) return undefined;
  const about = builder[1] ?? builder[3] ?? "";
  const machine = context.machines?.get(about);
  if (machine !== undefined && context.unknown.length > 0) return machineFailure(about, machine, context);
  return { about, problem: builderFailure(about, builder[2] ?? builder[4] ?? "failed", message, context) };
}

function failedElsewhere([, about = "", machine]: RegExpExecArray, why: string, context: Understanding): Understood {
  // Here it is the builder's own end that is told of.
  const found =
    understand(why, { ...context, unknown: [] })?.problem ?? failed(`building ${nameOf(about, context)}`, why);
  return { about, problem: { ...found, notes: [`on ${machine}`, ...found.notes] } };
}

/** Not the builder failed, but the way to it. */
function machineFailure(about: StorePath, machine: string, context: Understanding): Understood {
  const lines = context.logs.get(about) ?? [];
  if ([...context.unknown, ...lines].some(isDistrust)) return { about: machine, problem: distrust(machine) };
  const found = failed(`building ${nameOf(about, context)} on ${machine}`, context.unknown.join("\n"));
  return { about, problem: { ...found, notes: [...found.notes, ...lines.map((line) => `> ${line}`)] } };
}

function hashMismatch([, about = "", expected, got]: RegExpExecArray, context: FailureContext): Understood {
  const url = context.byDrvPath.get(about)?.data.env.get("url");
  return {
    about,
    problem: problem({
      code: "hash-mismatch",
      message: `${nameOf(about, context)} does not have the hash it must have`,
      notes: [`expected  ${expected}`, `got       ${got}`, ...(url === undefined ? [] : [`from      ${url}`])],
      fix: "The server, or something on the way, gave another file than the one asked for. Try another mirror; if the file was replaced on purpose, take its new hash. Nothing of it was kept.",
    }),
  };
}

function builderFailure(path: string, how: string, message: string, context: FailureContext): Problem {
  const drv = context.byDrvPath.get(path);
  const lines = context.logs.get(path) ?? [];
  const url = drv?.data.builder === "builtin:fetchurl" ? drv.data.env.get("url") : undefined;
  if (url !== undefined) {
    const words = [message, ...lines].join("\n");
    const reason = /unable to download[^\n]*?: ([^\n]*)/.exec(words)?.[1] ?? how;
    const gone = /HTTP error (?:404|410)|\b37\b|Couldn't open file/.test(reason);
    return problem({
      code: gone ? "fetch-not-found" : "fetch-failed",
      message: gone ? `${url} is not there: ${reason}` : `${url} cannot be fetched: ${reason}`,
      fix: gone
        ? "The file was moved or superseded. Use a mirror or dated snapshot that still has it, or move on to the version that replaced it."
        : "Check the network of the machine that Nix builds on; then run the same command again, or choose another mirror.",
    });
  }
  return problem({
    code: "builder-failed",
    message: `the builder of ${nameOf(path, context)} ${how}`,
    notes:
      lines.length === 0
        ? ["(it said nothing)"]
        : [`last ${lines.length} lines of its log:`, ...lines.map((line) => `> ${line}`)],
    fix: `Find the cause in the log (nix-store --read-log ${path}), and change the derivation or its inputs.`,
  });
}

function nameOf(path: StorePath, context: FailureContext): string {
  return context.byDrvPath.get(path)?.name ?? path;
}
