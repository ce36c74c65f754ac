/**
 * A tree of typed modules of any size, as a large project would have it: every module declares twenty options, one of them a
 * set of submodules of six, and defines some twenty-five values in eight other places, with wrappers around them; modules
 * refer to each other at random, so that the references go round in circles. Users are machines that import all of them and
 * define some seventy-five values each.
 *
 *     std.ts            the scope: an interface with one member per top-level name
 *     m0.ts … m99.ts    modules
 *     user0.ts …        machines
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Options that a module declares, those of its submodule counted once. */
export const OPTIONS_PER_MODULE = 20;

const NAMES = "declareOptions, define, defineModule, mkDefault, mkEnableOption, mkForce, mkIf, mkMerge, mkOption, t";

/** Write the tree into an empty folder; `lib` is the file that `osmod/lib` means. */
export function writeTypedModules(folder, { modules, users, lib, types }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const write = (name, text) => writeFileSync(join(folder, name), text);
  write("package.json", '{ "type": "module" }\n');
  write("tsconfig.json", `${JSON.stringify(tsconfig(lib, types), null, 2)}\n`);
  write("base.ts", base);
  write("std.ts", scope(modules));
  for (let m = 0; m < modules; m += 1) write(`m${m}.ts`, moduleText(m, modules));
  for (let u = 0; u < users; u += 1) write(`user${u}.ts`, userText(u, modules));
}

function tsconfig(lib, types) {
  return {
    compilerOptions: {
      target: "es2023",
      module: "nodenext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
      erasableSyntaxOnly: true,
      allowImportingTsExtensions: true,
      noEmit: true,
      skipLibCheck: true,
      typeRoots: [types],
      types: ["node"],
      paths: { "osmod/lib": [lib] },
    },
    include: ["*.ts"],
  };
}

const base = `import { declareOptions, mkOption, t } from "osmod/lib";
export const options = declareOptions({
  networking: {
    hostName: mkOption({ type: t.str, default: "machine" }),
    firewall: { enable: mkOption({ type: t.bool, default: true }), ports: mkOption({ type: t.listOf(t.port), default: [] }) },
  },
  environment: {
    etc: mkOption({ type: t.attrsOf(t.submodule({
      text: mkOption({ type: t.lines, default: "" }),
      mode: mkOption({ type: t.str, default: "0644" }),
      enable: mkOption({ type: t.bool, default: true }),
    })), default: {} }),
    packages: mkOption({ type: t.listOf(t.str), default: [] }),
  },
  users: {
    users: mkOption({ type: t.attrsOf(t.submodule({
      uid: mkOption({ type: t.nullOr(t.int), default: null }),
      home: mkOption({ type: t.str, default: "/" }),
      groups: mkOption({ type: t.listOf(t.str), default: [] }),
    })), default: {} }),
  },
  systemd: {
    units: mkOption({ type: t.attrsOf(t.freeform({ enable: mkOption({ type: t.bool, default: true }) }, t.json)), default: {} }),
  },
  assertions: mkOption({ type: t.listOf(t.submodule({
    assertion: mkOption({ type: t.bool }), message: mkOption({ type: t.str }),
  })), default: [] }),
});
`;

function scope(modules) {
  const all = Array.from({ length: modules }, (_, m) => m);
  return `import { defineModule, type Module } from "osmod/lib";
import * as base from "./base.ts";
${all.map((m) => `import * as m${m} from "./m${m}.ts";`).join("\n")}
export interface Std {
  readonly networking: typeof base.options.networking;
  readonly environment: typeof base.options.environment;
  readonly users: typeof base.options.users;
  readonly systemd: typeof base.options.systemd;
  readonly assertions: typeof base.options.assertions;
  readonly services: ${all.map((m) => `typeof m${m}.options.services`).join(" & ")};
}
export const std: Module<Std> = defineModule<Std>({
  imports: [defineModule({ options: base.options }), ${all.map((m) => `m${m}.default`).join(", ")}],
});
`;
}

function moduleText(m, modules) {
  const random = randomFrom(m + 1);
  const other = () => `s${random(modules)}`;
  const picks = [...new Set([0, 1, 2, 3, 4].map(other))].filter((name) => name !== `s${m}`);
  const read = other();
  return `import { ${NAMES} } from "osmod/lib";
import type { Std } from "./std.ts";
export const options = declareOptions({
  services: {
    /** Service ${m}. */
    s${m}: {
      enable: mkEnableOption("service ${m}"),
      /** Where to listen. */
      port: mkOption({ type: t.port, default: ${1024 + m}, description: "Where service ${m} listens." }),
      ports: mkOption({ type: t.listOf(t.port), default: [], description: "What the ports of service ${m} is." }),
      user: mkOption({ type: t.str, default: "s${m}", description: "What the user of service ${m} is." }),
      group: mkOption({ type: t.str, default: "s${m}", description: "What the group of service ${m} is." }),
      level: mkOption({ type: t.enum(["debug", "info", "warn${m % 7}"]), default: "info", description: "What the level of service ${m} is." }),
      root: mkOption({ type: t.path, default: "/srv/${m}", description: "What the root of service ${m} is." }),
      limit: mkOption({ type: t.nullOr(t.int), default: null, description: "What the limit of service ${m} is." }),
      extra: mkOption({ type: t.lines, default: "", description: "What the extra of service ${m} is." }),
      environment: mkOption({ type: t.attrsOf(t.str), default: {}, description: "What the environment of service ${m} is." }),
      settings: mkOption({ type: t.json, default: {}, description: "What the settings of service ${m} is." }),
      open: mkOption({ type: t.bool, default: false, description: "Whether to open the firewall for ${m}." }),
      address: mkOption({ type: t.either(t.str, t.int), default: "0.0.0.0", description: "What the address of service ${m} is." }),
      modes: mkOption({ type: t.listOf(t.enum(["a", "b"])), default: [], description: "What the modes of service ${m} is." }),
      weights: mkOption({ type: t.attrsOf(t.listOf(t.int)), default: {}, description: "What the weights of service ${m} is." }),
      name: mkOption({ type: t.str, default: "x", apply: (name) => name.length, description: "What the name of service ${m} is." }),
      retries: mkOption({ type: t.int, default: 3, description: "What the retries of service ${m} is." }),
      command: mkOption({ type: t.listOf(t.str), default: [], description: "What the command of service ${m} is." }),
      after: mkOption({ type: t.nullOr(t.listOf(t.str)), default: null, description: "What the after of service ${m} is." }),
      sites: mkOption({
        type: t.attrsOf(
          t.submodule({
            enable: mkOption({ type: t.bool, default: true, description: "What the enable of service ${m} is." }),
            root: mkOption({ type: t.path, description: "What the root of service ${m} is." }),
            port: mkOption({ type: t.port, default: 80, description: "What the port of service ${m} is." }),
            aliases: mkOption({ type: t.listOf(t.str), default: [], description: "What the aliases of service ${m} is." }),
            kind: mkOption({ type: t.enum(["static", "proxy${m % 5}"]), default: "static", description: "What the kind of service ${m} is." }),
            headers: mkOption({ type: t.attrsOf(t.str), default: {}, description: "What the headers of service ${m} is." }),
          }),
        ),
        default: {},
        description: "What the sites of service ${m} are.",
      }),
    },
  },
});

export default defineModule<Std>({
  options,
  config: ({ config }) => {
    const cfg = config.services.s${m};
    return mkIf(() => cfg.enable, {
      networking: { firewall: { ports: mkIf(() => cfg.open, () => [cfg.port, ...cfg.ports]) } },
      environment: {
        etc: { "s${m}.conf": { text: () => \`\${cfg.port} \${cfg.extra} \${cfg.name + 1}\`, mode: mkDefault("0600") } },
        packages: ["s${m}", "common"],
      },
      users: { users: { s${m}: { uid: mkDefault(${m}), home: () => cfg.root, groups: mkMerge([["a"], mkIf(() => cfg.open, ["b"])]) } } },
      systemd: { units: { s${m}: { enable: mkForce(true), ExecStart: () => cfg.command.join(" "), Restart: "always", After: ["network"] } } },
      services: {
${picks.map((name, i) => `        ${name}: ${definitions(i, m, read)},`).join("\n")}
      },
      assertions: [{ assertion: () => cfg.ports.length > 0 || config.services.${read}.enable, message: "s${m} needs a port" }],
    });
  },
});
/** For the sake of its own kind of module. */
export const second = defineModule<Std>({ config: mkMerge([define({ networking: { hostName: mkDefault("s${m}") } })]) });
`;
}

function definitions(i, m, read) {
  switch (i) {
    case 0:
      return `{ enable: mkDefault(true), port: mkForce(${2000 + m}), extra: () => config.services.${read}.extra }`;
    case 1:
      return `mkIf(() => config.services.${read}.enable, { ports: [${m}], level: "info", limit: mkMerge([mkDefault(null)]) })`;
    case 2:
      return `mkDefault({ environment: { A: "1", B: () => cfg.user }, retries: 5 })`;
    case 3:
      return `{ sites: { s${m}: { root: "/s", port: () => cfg.port, aliases: mkForce(["x"]), headers: { h: mkDefault("v") } } } }`;
    default:
      return `mkMerge([{ open: true }, mkIf(() => cfg.open, { weights: { w: [1, 2] }, modes: ["a", mkIf(() => cfg.enable, "b")] })])`;
  }
}

function userText(u, modules) {
  const random = randomFrom(1000 + u);
  const names = [...new Set(Array.from({ length: 12 }, () => `s${random(modules)}`))];
  const services = names.map(
    (name, i) => `      ${name}: {
        enable: ${i % 3 === 0 ? "mkForce(true)" : "true"},
        port: ${3000 + i},
        extra: () => \`\${config.networking.hostName} \${config.services.${names[0]}.port}\`,
        sites: { a: { root: "/a", kind: "static" }, b: mkIf(() => config.services.${name}.open, { root: "/b", port: 81 }) },
      },`,
  );
  return `import { define, defineModule, evalModules, mkForce, mkIf } from "osmod/lib";
import { type Std, std } from "./std.ts";
export const machine = defineModule<Std>({
  imports: [std],
  config: ({ config }) => define({
    networking: { hostName: "user${u}" },
    users: { users: { alice: { uid: 1000, groups: ["wheel"] }, bob: { home: () => config.users.users["alice"]?.home ?? "/" } } },
    services: {
${services.join("\n")}
    },
  }),
});
export const port: number = evalModules({ modules: [std, machine] }).config.services.${names[0]}.port;
`;
}

/** Numbers that are the same in every run. */
function randomFrom(seed) {
  let state = (seed * 2_654_435_761) >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
