import { describe, expect, it } from "vitest";
import type { Group } from "../../src/lib/index.ts";
import type { Std } from "../../src/modules/index.ts";
import { machine } from "./support/rendered.ts";

const postgresql = (settings: Group<Std["services"]["postgresql"]>) =>
  machine({ services: { postgresql: { enable: true, ...settings } } });

/** A script that a unit runs. */
function scriptOf(m: ReturnType<typeof machine>, unit: string, directive: string): string {
  const path = new RegExp(`^${directive}=(/nix/store/\\S+)`, "m").exec(m.unitFiles()[unit] ?? "")?.[1] ?? "";
  return m.written(path);
}
/** The postgresql.conf of a machine. */
function conf(m: ReturnType<typeof machine>): string {
  const script = scriptOf(m, "postgresql.service", "ExecStartPre");
  return m.written(/ln -sfn (\S+postgresql\.conf) /.exec(script)?.[1] ?? "");
}

describe("postgresql", () => {
  it("runs as its own user, from a target that is reached when all is there", () => {
    const m = postgresql({});
    const unit = m.unitFiles()["postgresql.service"] ?? "";
    expect(unit).toContain("Type=notify\n");
    expect(unit).toContain("ExecStart=/usr/lib/postgresql/17/bin/postgres\n");
    expect(unit).toContain("User=postgres\n");
    expect(m.unitFiles()["multi-user.target.wants/postgresql.target"]).toBe("→ ../postgresql.target");
    expect(m.unitFiles()["postgresql.target"]).toContain("Requires=postgresql.service postgresql-setup.service\n");
    expect(m.unitFiles()["postgresql-setup.service"]).toContain("After=postgresql.service\n");
    expect(machine({}).unitFiles()["postgresql.service"]).toBeUndefined();
  });

  it("follows the version of its package", () => {
    const m = machine({ services: { postgresql: { enable: true, dataDir: "/data/pg" } } });
    expect(m.unitFiles()["postgresql.service"]).toContain("PGDATA=/data/pg");
    expect(m.unitFiles()["postgresql.service"]).not.toContain("StateDirectory=");
    expect(postgresql({}).config.services.postgresql.dataDir).toBe("/var/lib/postgresql/17");
  });

  it("is open to this machine only, unless other machines are to connect", () => {
    const closed = postgresql({});
    expect(conf(closed)).toContain("listen_addresses = 'localhost'\n");
    expect(closed.config.networking.firewall.allowedTCPPorts).toEqual([]);
    const open = postgresql({
      enableTCPIP: true,
      settings: { port: 5433 },
      authentication: "host all app 10.0.0.0/8 reject",
    });
    expect(conf(open)).toContain("listen_addresses = '*'\n");
    expect(conf(open)).toContain("port = 5433\n");
    expect(open.config.networking.firewall.allowedTCPPorts).toEqual([5433]);
    const hba = open.written(/hba_file = '(\S+)'/.exec(conf(open))?.[1] ?? "");
    expect(hba).toMatch(/^host all app 10\.0\.0\.0\/8 reject\nlocal all all peer\n/);
    expect(hba).toContain("host all all all scram-sha-256\n");
  });

  it("writes settings as the server reads them", () => {
    const m = postgresql({ settings: { log_connections: true, work_mem: "8MB", search_path: "it's", jit: null } });
    expect(conf(m)).toContain("log_connections = on\nwork_mem = '8MB'\nsearch_path = 'it''s'\n");
    expect(conf(m)).not.toContain("jit");
  });

  it("makes databases and users that are not there yet", () => {
    const m = postgresql({ ensureDatabases: ["app"], ensureUsers: [{ name: "app", ensureDBOwnership: true }] });
    const script = scriptOf(m, "postgresql-setup.service", "ExecStart");
    expect(script).toContain(
      `SELECT 'CREATE ROLE "app" LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app')\\gexec\n`,
    );
    expect(script).toContain(`CREATE DATABASE "app"`);
    expect(script).toContain(`ALTER DATABASE "app" OWNER TO "app";`);
  });

  it("names a user who is to own a database that nobody makes", () => {
    const m = postgresql({ ensureUsers: [{ name: "app", ensureDBOwnership: true }] });
    expect(m.failedAssertions().join()).toContain("services.postgresql.ensureDatabases does not name");
  });
});
