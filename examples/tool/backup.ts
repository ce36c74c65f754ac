/**
 * A tool of one's own with osmod's module system in it and no machine: what to back up, said in TypeScript and in YAML.
 *
 *     backup.ts                     print the plan
 *     backup.ts explain jobs.home   where a value comes from
 *     backup.ts schema              JSON Schema of the settings, for editors
 */
import { readFileSync } from "node:fs";
import {
  assertionOptions,
  checkAssertions,
  declareOptions,
  define,
  defineModule,
  evalModules,
  explain,
  mkDefault,
  mkEach,
  mkOption,
  ProblemError,
  readDataModule,
  renderExplanation,
  renderProblems,
  t,
  toJsonSchema,
} from "osmod/lib";

const options = declareOptions({
  ...assertionOptions,
  target: mkOption({ type: t.nonEmptyStr, description: "Where backups go." }),
  jobs: mkOption({
    type: t.attrsOf(
      t.submodule({
        paths: mkOption({ type: t.nonEmptyListOf(t.path), description: "What to back up." }),
        exclude: mkOption({ type: t.uniqueListOf(t.str), default: [], description: "Patterns to leave out." }),
        keep: mkOption({ type: t.ints.positive, default: 7, description: "How many copies to keep." }),
        every: mkOption({ type: t.enum(["hour", "day", "week"]), default: "day", description: "How often." }),
      }),
    ),
    default: {},
    description: "Backups, by name.",
  }),
});
type Settings = typeof options;

/** What holds for every backup that anyone asks for. */
const policy = defineModule<Settings>({
  options,
  config: ({ config }) =>
    define({
      jobs: mkEach(({ config: job }) =>
        define({ exclude: ["**/.cache"], keep: mkDefault(() => (job.every === "hour" ? 48 : 7)) }),
      ),
      assertions: {
        target: {
          assertion: () => !Object.values(config.jobs).some(({ paths }) => paths.includes(config.target)),
          message: () => `A backup cannot be stored in itself: ${config.target}.`,
        },
      },
    }),
});

/** The plan that a settings file makes, as lines of text. */
export async function run(file: string, command: readonly string[] = []): Promise<string> {
  const settings = await readDataModule(file, readFileSync(file, "utf8"));
  const evaluation = evalModules({ modules: [policy, settings] });
  const [verb, path = ""] = command;
  if (verb === "schema") return JSON.stringify(toJsonSchema(options), null, 2);
  if (verb === "explain") return renderExplanation(explain(evaluation, path));
  const { jobs, target, assertions } = evaluation.config;
  checkAssertions(assertions);
  return Object.entries(jobs)
    .map(([name, job]) => `every ${job.every}: ${job.paths.join(" ")} to ${target}/${name}, keep ${job.keep}`)
    .join("\n");
}

if (process.argv[1]?.endsWith("backup.ts")) {
  try {
    console.log(await run(new URL("settings.yaml", import.meta.url).pathname, process.argv.slice(2)));
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    console.error(renderProblems(error.problems));
    process.exitCode = 1;
  }
}
