/**
 * Describes the test that is asked for in the first argument, in the current directory, and prints what came of it as JSON.
 * It is a program of its own because files of machines share the compiled copy of osmod with whoever loads them.
 */
const dist = new URL("../../../dist/", import.meta.url);
const { describeTest } = await import(new URL("testing/index.js", dist).href);
const { launcherFor } = await import(new URL("testing/prebuilt.js", dist).href);
const { renderProblems } = await import(new URL("problems/index.js", dist).href);

const { file, options, find } = JSON.parse(process.argv[2]);
const files = (tree, at = "") =>
  tree.type === "directory"
    ? [...tree.entries].flatMap(([name, entry]) => files(entry, at === "" ? name : `${at}/${name}`))
    : [[at, tree.type === "symlink" ? `-> ${tree.target}` : Buffer.from(tree.contents).toString()]];

const work = async () => {
  if (find !== undefined) return launcherFor(find, {});
  const { drv, launchers, files: named } = await describeTest(file, options);
  const env = Object.fromEntries(drv.data.env);
  const project = drv.inputSources.find(({ path }) => path === env.project);
  return {
    name: drv.name,
    drvPath: drv.drvPath,
    env,
    inputs: drv.inputDerivations.map(({ derivation }) => derivation.name),
    sources: drv.inputSources.map(({ name }) => name),
    launchers: launchers.map(({ name, outPath }) => ({ name, outPath })),
    files: named,
    project: Object.fromEntries(files(await project.content.provide())),
  };
};
const answer = await work().catch((error) => {
  if (error.problems === undefined) throw error;
  return { codes: error.problems.map(({ code }) => code), problems: renderProblems(error.problems) };
});
process.stdout.write(JSON.stringify(answer));
