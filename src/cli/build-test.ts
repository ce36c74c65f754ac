/** `osmod build-test`: tests of machines as derivations, run by whatever builds. */
import { resolve } from "node:path";
import { fail } from "../problems/index.ts";
import { type DescribedTest, describeTest } from "../testing/index.ts";
import { parse, type Syntax } from "./arguments.ts";
import { buildOptions, printPlan, realise, shownLink } from "./build.ts";
import { say, storeWith } from "./evaluate.ts";
import { showWarnings } from "./progress.ts";
import { chosenStore } from "./store-choice.ts";
import { phase } from "./timing.ts";
import type { Verb } from "./verbs.ts";

const options = {
  ...buildOptions,
  include: { type: "string", multiple: true, default: [] as string[] },
  kvm: { type: "boolean", default: false },
  "system-features": { type: "string" },
  "print-build-logs": { type: "boolean", short: "L", default: false },
} as const;

const syntax: Syntax<typeof options> = {
  usage: "osmod build-test [options] <file.test.ts ...>",
  details: [
    "Makes a derivation of each test file: its machines, what it imports, vitest, osmod, and Debian's Node. It builds if the tests pass.",
    "The result has log, report.xml (JUnit), report.json, and files/, where tests put what they want to keep (outputDirectory).",
    "",
    "    --include PATH    a file or directory that the tests read; imports are found without it",
    "    --kvm             build where KVM is: the derivation asks for the feature kvm",
    "    --system-features LIST  ask for these features, separated by commas (NixOS's tests: kvm,nixos-test)",
    "-L, --print-build-logs  print what the builders say",
    "-o, --out-link NAME   the link to make, default ./result; of several tests ./result-2 and so on",
    "    --no-out-link     make no link, print the store path",
    "-j, --max-jobs N      builders at a time, default the number of CPUs; with --store nix, what nix.conf says",
    "    --timeout N       stop a builder that takes more than N seconds",
    "    --max-silent-time N  stop a builder that says nothing for N seconds",
    "    --store KIND      embedded, or nix: let the Nix that is installed build (default: OSMOD_STORE, else embedded)",
    "    --dry-run         list what would be copied from caches, fetched and built, and do nothing",
    "    --json            with --dry-run: as JSON",
  ],
  options,
};

/** Describe the tests, and build them. */
export const run: Verb = async (argv, signal) => {
  const parsed = parse(syntax, argv);
  if (parsed === undefined) return 0;
  const { values, positionals } = parsed;
  const kind = chosenStore(values.store);
  if (positionals.length === 0) fail({ code: "usage", message: "no test is named", fix: syntax.usage });
  const features = [...(values.kvm ? ["kvm"] : []), ...(values["system-features"]?.split(",") ?? [])];
  const how = {
    include: values.include,
    requiredSystemFeatures: [...new Set(features)].sort(),
    onProgress: say,
    signal,
  };
  const describe = () => inOrder(positionals, (file) => describeTest(file, how));
  let described = await describe();
  // A lock that grew for one file is part of the others, too.
  if (described.some(({ lockChanged }) => lockChanged) && described.length > 1) described = await describe();
  const drvs = described.map(({ drv }) => drv);
  const [one] = described as [DescribedTest];
  phase("evaluate");
  const store = storeWith(kind, one);

  if (values["dry-run"]) {
    printPlan(await store.planWithCaches(drvs, { signal, onEvent: showWarnings() }), values.json);
    return 0;
  }
  await realise(
    { store, drvs, lockFile: one.lockFile },
    {
      signal,
      store: values.store,
      maxJobs: values["max-jobs"],
      timeout: values.timeout,
      maxSilentTime: values["max-silent-time"],
      onLine: values["print-build-logs"] ? (drv, line) => say(`${drv.name}> ${line}`) : undefined,
    },
  );

  // Keep them, and say where they are.
  for (const [index, drv] of drvs.entries()) {
    if (values["no-out-link"]) {
      process.stdout.write(`${store.physical(drv.outPath)}\n`);
      continue;
    }
    const link = index === 0 ? values["out-link"] : `${values["out-link"]}-${index + 1}`;
    store.addRoot(resolve(link), drv.outPath);
    process.stdout.write(`The tests of ${positionals[index]} have passed: ${shownLink(link)}/log\n`);
  }
  return 0;
};

async function inOrder<A, B>(items: readonly A[], work: (item: A) => Promise<B>): Promise<B[]> {
  const results: B[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
