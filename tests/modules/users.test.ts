import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { debianGroups, debianUsers } from "../../src/modules/config/debian-accounts.ts";
import { groupLine, mergeAccounts, userLine } from "../../src/modules/config/users-script.ts";
import { type Definitions, machine } from "./support/rendered.ts";
import { tool } from "./support/tools.ts";

const awk = tool("mawk") ?? tool("awk") ?? tool("gawk");
const fileSystems = { "/": { device: "/dev/vda", fsType: "ext4" } };

type State = { readonly [file in "passwd" | "group" | "shadow" | "uid-map" | "gid-map"]?: string };

/** Runs the merge as activation does, on files of its own. */
function merge(table: readonly string[], state: State = {}) {
  const dir = mkdtempSync(join(tmpdir(), "osmod-users-"));
  try {
    for (const sub of ["etc", "var/lib/osmod"]) mkdirSync(join(dir, sub), { recursive: true });
    for (const file of ["passwd", "group", "shadow", "uid-map", "gid-map"] as const)
      writeFileSync(join(dir, file), state[file] ?? "");
    writeFileSync(join(dir, "table"), `${table.join("\n")}\n`);
    writeFileSync(join(dir, "users.awk"), mergeAccounts);
    const run = spawnSync(
      awk ?? "awk",
      ["-v", `root=${dir}`, "-f", "users.awk", "table", "passwd", "group", "shadow", "./uid-map", "./gid-map"],
      { cwd: dir, encoding: "utf8" },
    );
    expect(run.stderr).toBe("");
    const read = (path: string, old: string | undefined) =>
      existsSync(join(dir, `${path}.osmod`)) ? readFileSync(join(dir, `${path}.osmod`), "utf8") : (old ?? "");
    return {
      passwd: read("etc/passwd", state.passwd),
      group: read("etc/group", state.group),
      shadow: read("etc/shadow", state.shadow),
      "uid-map": read("var/lib/osmod/uid-map", state["uid-map"]),
      "gid-map": read("var/lib/osmod/gid-map", state["gid-map"]),
      orders: run.stdout.replaceAll(dir, ""),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const account = (name: string, more: object = {}) => ({
  name,
  description: "",
  uid: null,
  isSystemUser: false,
  isNormalUser: true,
  group: "users",
  extraGroups: [],
  home: `/home/${name}`,
  homeMode: "0700",
  createHome: true,
  shell: "/bin/bash",
  hashedPassword: null,
  hashedPasswordFile: null,
  password: null,
  initialHashedPassword: null,
  initialPassword: null,
  ...more,
});
const users100 = groupLine({ name: "users", gid: 100, members: [] });
const person = (name: string, hash = "!", more: object = {}) => userLine(account(name, more), hash);

describe.skipIf(awk === undefined)("the accounts of a machine", () => {
  it("get numbers upwards from 1000 for people and downwards for services", () => {
    const { passwd, group } = merge([
      "M:mutable",
      users100,
      groupLine({ name: "web", gid: null, members: ["bob"] }),
      person("alice"),
      person("bob"),
      userLine(account("web", { isNormalUser: false, isSystemUser: true, group: "web", createHome: false }), "!"),
    ]);
    expect(passwd).toBe(
      "alice:x:1000:100::/home/alice:/bin/bash\nbob:x:1001:100::/home/bob:/bin/bash\nweb:x:984:984::/home/web:/bin/bash\n",
    );
    expect(group).toBe("users:x:100:\nweb:x:984:bob\n");
  });

  it("keep their numbers when others come before them, and when they go and come back", () => {
    const first = merge(["M:mutable", users100, person("bob")]);
    const second = merge(["M:mutable", users100, person("alice")], first);
    expect(second.passwd).toBe("alice:x:1001:100::/home/alice:/bin/bash\n");
    const third = merge(["M:mutable", users100, person("alice"), person("bob")], second);
    expect(third.passwd).toContain("bob:x:1000:");
    expect(third.passwd).toContain("alice:x:1001:");
  });

  it("do not change when nothing changed", () => {
    const table = ["M:mutable", users100, person("alice", "hash")];
    const first = merge(table);
    expect(merge(table, first).orders).toBe("home 0700 1000:100 /home/alice\n");
  });

  it("never get a number that somebody made by hand has", () => {
    const { passwd } = merge(["M:mutable", users100, person("alice")], {
      passwd: "carol:x:1000:100::/home/carol:/bin/sh\n",
      shadow: "carol:hers:2::::::\n",
    });
    expect(passwd).toBe("alice:x:1001:100::/home/alice:/bin/bash\ncarol:x:1000:100::/home/carol:/bin/sh\n");
  });

  it("keep changed passwords and hand-made accounts on a mutable machine", () => {
    const { shadow } = merge(["M:mutable", users100, person("alice", "declared")], {
      passwd: "alice:x:1000:100::/home/alice:/bin/bash\ncarol:x:1001:100::/home/carol:/bin/sh\n",
      shadow: "alice:changed:19000::::::\ncarol:hers:2::::::\n",
      "uid-map": "alice:1000\n",
    });
    expect(shadow).toBe("alice:changed:19000::::::\ncarol:hers:2::::::\n");
  });

  it("are exactly the declared ones, with the declared passwords, on one that is not", () => {
    const { shadow, passwd } = merge(["M:declared", users100, person("alice", "declared")], {
      passwd: "alice:x:1000:100::/home/alice:/bin/bash\ncarol:x:1001:100::/home/carol:/bin/sh\n",
      shadow: "alice:changed:19000::::::\ncarol:hers:2::::::\n",
      "uid-map": "alice:1000\n",
    });
    expect(shadow).toBe("alice:declared:19000::::::\n");
    expect(passwd).not.toContain("carol");
  });

  it("keep an initial password's successor even there", () => {
    const alice = person("alice", "first", { initialHashedPassword: "first" });
    const { shadow } = merge(["M:declared", users100, alice], {
      passwd: "alice:x:1000:100::/home/alice:/bin/bash\n",
      shadow: "alice:changed:19000::::::\n",
    });
    expect(shadow).toBe("alice:changed:19000::::::\n");
  });

  it("go when the configuration no longer has them", () => {
    const first = merge(["M:mutable", users100, person("alice"), person("bob")]);
    const { passwd, group } = merge(["M:mutable", users100, person("bob")], first);
    expect(passwd).toBe("bob:x:1001:100::/home/bob:/bin/bash\n");
    expect(group).toBe("users:x:100:\n");
  });

  it("say when a password cannot be read from its file", () => {
    const { orders, shadow } = merge(["M:mutable", users100, person("alice", "@/does/not/exist")]);
    expect(orders).toContain("warn - - the password of alice cannot be read from /does/not/exist\n");
    expect(shadow).toContain("alice:!:");
  });
});

describe("declared accounts", () => {
  it("include Debian's, with Debian's numbers", () => {
    const { config } = machine({ fileSystems });
    expect(config.users.users["www-data"]).toMatchObject({ uid: 33, group: "www-data", shell: "/usr/sbin/nologin" });
    expect(config.users.users["root"]).toMatchObject({ uid: 0, home: "/root", shell: "/bin/bash" });
    expect(config.users.groups["shadow"]?.gid).toBe(42);
    expect(config.users.users["nobody"]?.uid).toBe(65534);
  });

  it("have no number twice among Debian's own", () => {
    for (const ids of [Object.values(debianUsers).map((user) => user.uid), Object.values(debianGroups)]) {
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  it("get a home, a shell and the group users when they are a person's", () => {
    const { config } = machine({
      fileSystems,
      users: { users: { alice: { isNormalUser: true } }, defaultUserShell: "/usr/bin/zsh" },
    });
    expect(config.users.users["alice"]).toMatchObject({
      home: "/home/alice",
      createHome: true,
      group: "users",
      shell: "/usr/bin/zsh",
    });
  });

  it("may change what Debian says with an ordinary definition", () => {
    const { config } = machine({ fileSystems, users: { users: { "www-data": { home: "/srv/www" } } } });
    expect(config.users.users["www-data"]?.home).toBe("/srv/www");
  });
});

describe("mistakes in users", () => {
  const failed = (users: NonNullable<Definitions["users"]>) => machine({ fileSystems, users }).failedAssertions();

  it("are: neither a person nor the system", () => {
    expect(failed({ users: { app: { group: "users" } } })).toEqual([
      "users.users.app must set one of `isSystemUser` and `isNormalUser`.",
    ]);
  });

  it("are: both", () => {
    expect(failed({ users: { app: { isNormalUser: true, isSystemUser: true } } })[0]).toContain("choose one");
    expect(failed({ users: { app: { isNormalUser: true, uid: 500 } } })[0]).toContain("uid below 1000");
  });

  it("are: no group, or one that does not exist", () => {
    expect(failed({ users: { app: { isSystemUser: true } } })[0]).toContain("users.groups.app = {}");
    expect(failed({ users: { app: { isSystemUser: true, group: "apps" } } })).toEqual([
      "users.users.app is in the group apps, which does not exist. Declare it: users.groups.apps = {}.",
    ]);
  });

  it("are: several passwords", () => {
    expect(failed({ users: { alice: { isNormalUser: true, password: "x", hashedPassword: "y" } } })).toEqual([
      "users.users.alice has several passwords: hashedPassword, password. Keep one.",
    ]);
  });

  it("are: one number for two", () => {
    expect(failed({ users: { a: { isNormalUser: true, uid: 1000 }, b: { isNormalUser: true, uid: 1000 } } })).toEqual([
      "users.users: a and b have the same uid 1000.",
    ]);
    expect(failed({ groups: { mine: { gid: 33 } } })).toEqual([
      "users.groups: mine and www-data have the same gid 33.",
    ]);
  });

  it("are: declared accounts of which none can log in", () => {
    expect(failed({ mutableUsers: false })[0]).toContain("nobody could ever administer the machine");
    expect(failed({ mutableUsers: false, users: { root: { hashedPassword: "!" } } })).toHaveLength(1);
    expect(failed({ mutableUsers: false, users: { root: { hashedPassword: "$6$x" } } })).toEqual([]);
    expect(failed({ mutableUsers: false, allowNoPasswordLogin: true })).toEqual([]);
  });

  it("are: a colon in the description", () => {
    expect(() => failed({ users: { alice: { isNormalUser: true, description: "a:b" } } })).not.toThrow();
    expect(
      () =>
        machine({ fileSystems, users: { users: { alice: { description: "a:b" } } } }).config.users.users["alice"]
          ?.description,
    ).toThrow(/users\.users\.alice\.description/);
  });
});
