/**
 * PostgreSQL, with NixOS's options: the cluster is made at the first start, databases and users are ensured at every start.
 *
 * `postgresql.service` is the server, `postgresql-setup.service` makes what is ensured, and `postgresql.target` is reached when both are
 * done: who needs a database orders itself after that target.
 */
import { declareOptions, define, defineModule, mkIf, mkOption, t } from "../../../lib/index.ts";
import type { Std } from "../../index.ts";
import { shWords } from "../../shell.ts";
import { packageType } from "../../types.ts";

export const options = declareOptions({
  services: {
    postgresql: {
      enable: mkOption({ type: t.bool, default: false, description: "Whether PostgreSQL runs.", example: true }),
      package: mkOption({
        type: packageType,
        defaultText: 'pkgs["postgresql-17"]',
        description: "The package of the server, whose name ends with the major version.",
        example: 'pkgs["postgresql-17"]',
      }),
      dataDir: mkOption({
        type: t.path,
        defaultText: '"/var/lib/postgresql/<version>"',
        description: "Directory of the cluster.",
        example: "/data/postgresql",
      }),
      enableTCPIP: mkOption({
        type: t.bool,
        default: false,
        description: "Whether other machines can connect, with a password; otherwise only this one can.",
        example: true,
      }),
      settings: mkOption({
        type: t.attrsOf(t.nullOr(t.oneOf([t.bool, t.number, t.str]))),
        default: {},
        description: "Settings of postgresql.conf; `null` leaves one as it is.",
        example: { log_connections: true, port: 5433 },
      }),
      authentication: mkOption({
        type: t.lines,
        default: "",
        description: "Lines of pg_hba.conf, before those that let every user of this machine in under their own names.",
        example: "host all all 192.168.1.0/24 scram-sha-256",
      }),
      initialScript: mkOption({
        type: t.nullOr(t.path),
        default: null,
        description: "A file of SQL commands that run once, when the cluster has just been made.",
        example: "/etc/initial.sql",
      }),
      ensureDatabases: mkOption({
        type: t.listOf(t.strMatching("[A-Za-z_][A-Za-z0-9_-]*")),
        default: [],
        description: "Databases that are made unless they exist. None is ever removed.",
        example: ["app"],
      }),
      ensureUsers: mkOption({
        type: t.listOf(
          t.submodule({
            name: mkOption({
              type: t.strMatching("[A-Za-z_][A-Za-z0-9_-]*"),
              description: "Name of the user.",
              example: "app",
            }),
            ensureDBOwnership: mkOption({
              type: t.bool,
              default: false,
              description:
                "Whether the database of the same name, which has to be ensured as well, belongs to the user.",
              example: true,
            }),
          }),
        ),
        default: [],
        description:
          "Users that are made unless they exist. A user of the machine with that name can connect without a password.",
        example: [{ name: "app", ensureDBOwnership: true }],
      }),
    },
  },
});

/** The module that runs PostgreSQL. */
export default defineModule<Std>({
  key: "services/databases/postgresql",
  options,
  defaults: ({ config, pkgs }) =>
    define({
      services: {
        postgresql: {
          package: () => pkgs["postgresql-17"]!,
          dataDir: () => `/var/lib/postgresql/${versionOf(config.services.postgresql.package.name)}`,
        },
      },
    }),
  config: ({ config, pkgs }) => {
    const cfg = config.services.postgresql;
    const bin = () => `/usr/lib/postgresql/${versionOf(cfg.package.name)}/bin`;
    const port = () => String(cfg.settings["port"] ?? 5432);
    const hba = () =>
      `${pkgs.writeText("pg_hba.conf", `${cfg.authentication.trimEnd()}\nlocal all all peer\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n${cfg.enableTCPIP ? "host all all all scram-sha-256\n" : ""}`)}`;
    const configuration = () =>
      `${pkgs.writeText(
        "postgresql.conf",
        Object.entries({
          hba_file: hba(),
          listen_addresses: cfg.enableTCPIP ? "*" : "localhost",
          log_destination: "stderr",
          unix_socket_directories: "/run/postgresql",
          ...cfg.settings,
        })
          .filter(([, value]) => value !== null)
          .map(([name, value]) => `${name} = ${setting(value)}\n`)
          .join(""),
      )}`;
    return mkIf(() => cfg.enable, {
      environment: { systemPackages: () => [cfg.package] },
      users: {
        users: {
          postgres: { isSystemUser: true, group: "postgres", home: "/var/lib/postgresql", description: "PostgreSQL" },
        },
        groups: { postgres: {} },
      },
      networking: {
        firewall: {
          allowedTCPPorts: mkIf(
            () => cfg.enableTCPIP,
            () => [Number(port())],
          ),
        },
      },
      systemd: {
        targets: {
          postgresql: {
            description: "PostgreSQL, with its databases and users",
            wantedBy: ["multi-user.target"],
            requires: ["postgresql.service", "postgresql-setup.service"],
          },
        },
        services: {
          postgresql: {
            description: "PostgreSQL server",
            documentation: ["man:postgres(1)"],
            after: ["network.target"],
            environment: { PGDATA: () => cfg.dataDir },
            preStart: () => `
if [ ! -e ${shWords([cfg.dataDir])}/PG_VERSION ]; then
  ${bin()}/initdb --username=postgres --locale=C.UTF-8 --encoding=UTF8 --auth=peer --no-sync --no-instructions
  touch "$PGDATA/.first-start"
fi
ln -sfn ${configuration()} "$PGDATA/postgresql.conf"
`,
            serviceConfig: {
              Type: "notify",
              ExecStart: () => `${bin()}/postgres`,
              ExecReload: "/usr/bin/kill -HUP $MAINPID",
              User: "postgres",
              Group: "postgres",
              RuntimeDirectory: "postgresql",
              StateDirectory: () => (cfg.dataDir.startsWith("/var/lib/postgresql") ? "postgresql" : null),
              StateDirectoryMode: "0750",
              // The server ends without waiting for those who are connected.
              KillSignal: "SIGINT",
              KillMode: "mixed",
              TimeoutSec: 600,
              Restart: "on-failure",
            },
          },
          "postgresql-setup": {
            description: "Databases and users of PostgreSQL",
            requires: ["postgresql.service"],
            after: ["postgresql.service"],
            before: ["postgresql.target"],
            environment: { PGPORT: port, PGDATA: () => cfg.dataDir },
            script: () => setupScript(cfg),
            serviceConfig: { Type: "oneshot", RemainAfterExit: true, User: "postgres", Group: "postgres" },
          },
        },
      },
      assertions: () =>
        cfg.ensureUsers
          .filter(({ name, ensureDBOwnership }) => ensureDBOwnership && !cfg.ensureDatabases.includes(name))
          .map(({ name }) => ({
            assertion: false,
            message: `services.postgresql.ensureUsers: ${name} is to own the database ${name}, which services.postgresql.ensureDatabases does not name.`,
          })),
    });
  },
});

/** `postgresql-17` → `17`. */
function versionOf(name: string): string {
  return /(\d+)$/.exec(name)?.[1] ?? name;
}

function setting(value: boolean | number | string | null): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return typeof value === "number" ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
}

/** One question to the server for all that is there already, then one statement for each thing that is not. */
function setupScript(cfg: {
  readonly initialScript: string | null;
  readonly ensureDatabases: readonly string[];
  readonly ensureUsers: readonly { readonly name: string; readonly ensureDBOwnership: boolean }[];
}): string {
  const sql =
    "psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres";
  const initial =
    cfg.initialScript === null
      ? ""
      : `if [ -e "$PGDATA/.first-start" ]; then ${sql} --file=${shWords([cfg.initialScript])}; fi\n`;
  const missing = (name: string, table: string, column: string, statement: string) =>
    `SELECT '${statement}' WHERE NOT EXISTS (SELECT FROM ${table} WHERE ${column} = '${name}')\\gexec\n`;
  const statements = [
    ...cfg.ensureUsers.map(({ name }) => missing(name, "pg_roles", "rolname", `CREATE ROLE "${name}" LOGIN`)),
    ...cfg.ensureDatabases.map((name) => missing(name, "pg_database", "datname", `CREATE DATABASE "${name}"`)),
    ...cfg.ensureUsers
      .filter(({ ensureDBOwnership }) => ensureDBOwnership)
      .map(({ name }) => `ALTER DATABASE "${name}" OWNER TO "${name}";\n`),
  ].join("");
  return `${initial}${sql} << 'END'
${statements}END
rm -f "$PGDATA/.first-start"
`;
}
