/**
 * `users.users` and `users.groups`: the accounts of the machine.
 *
 * The configuration says who there is; the machine's disk remembers which number each got, so that an account that goes and
 * comes back owns its files again. Activation merges the two (see `users-script.ts`).
 */
import {
  declareOptions,
  define,
  defineModule,
  mapAttrs,
  mkDefault,
  mkEach,
  mkIf,
  mkMerge,
  mkOption,
  mkOptionDefault,
  t,
} from "../../lib/index.ts";
import type { Std } from "../index.ts";
import { once } from "../once.ts";
import { accountName, derivationType, octalMode, packageType, passwdField } from "../types.ts";
import { debianGroups, debianUsers } from "./debian-accounts.ts";
import { type Account, buildSpec, type Group, usersActivation } from "./users-script.ts";

/** A hashed password as `/etc/shadow` holds it: no colon, no line break. */
const hash = t.nullOr(t.strMatching("[^:\\n]*"));

export const options = declareOptions({
  users: {
    mutableUsers: mkOption({
      type: t.bool,
      default: true,
      description:
        "Whether accounts and passwords changed on the machine are kept. When off, the machine has exactly the accounts that are declared, with the declared passwords.",
      example: false,
    }),
    allowNoPasswordLogin: mkOption({
      type: t.bool,
      default: false,
      description: "Accept a machine with declared accounts of which none that may administer it can log in.",
      example: true,
    }),
    defaultUserShell: mkOption({
      type: t.path,
      default: "/bin/bash",
      description: "Shell of people's accounts.",
      example: "/usr/bin/zsh",
    }),
    users: mkOption({
      default: {},
      description: "The accounts of the machine, by name. Debian's own (www-data, nobody, …) are there always.",
      example: { alice: { isNormalUser: true, extraGroups: ["sudo"], initialPassword: "changeme" } },
      type: t.attrsOf(
        t
          .submodule({
            enable: mkOption({
              type: t.bool,
              default: true,
              description: "Whether the account exists.",
              example: false,
            }),
            name: mkOption({
              type: accountName,
              defaultText: "<name>",
              description: "Name of the account.",
              example: "alice",
            }),
            description: mkOption({
              type: passwdField,
              default: "",
              description: "Full name or purpose.",
              example: "Alice Q. User",
            }),
            uid: mkOption({
              type: t.nullOr(t.ints.u32),
              default: null,
              description: "User number. When null, a free one is taken and kept.",
              example: 1000,
            }),
            isSystemUser: mkOption({
              type: t.bool,
              default: false,
              description:
                "An account for a service: number below 1000, no home is made, no shell. Either this or `isNormalUser` is needed.",
              example: true,
            }),
            isNormalUser: mkOption({
              type: t.bool,
              default: false,
              description: "An account for a person: group `users`, a home in /home, a shell.",
              example: true,
            }),
            group: mkOption({
              type: t.str,
              default: "",
              defaultText: '"users" for a person',
              description: "Main group of the account.",
              example: "users",
            }),
            extraGroups: mkOption({
              type: t.listOf(t.str),
              default: [],
              description: "Further groups the account is in.",
              example: ["sudo", "adm"],
            }),
            home: mkOption({
              type: t.path,
              default: "/nonexistent",
              defaultText: "/home/<name> for a person",
              description: "Home directory.",
              example: "/home/alice",
            }),
            homeMode: mkOption({
              type: octalMode,
              default: "0700",
              description: "Permissions of the home directory when it is made.",
              example: "0750",
            }),
            createHome: mkOption({
              type: t.bool,
              default: false,
              defaultText: "true for a person",
              description: "Make the home directory when it is missing.",
              example: true,
            }),
            shell: mkOption({
              type: t.path,
              default: "/usr/sbin/nologin",
              defaultText: "users.defaultUserShell for a person",
              description: "Login shell.",
              example: "/bin/bash",
            }),
            packages: mkOption({
              type: t.listOf(packageType),
              default: [],
              description: "Packages wanted by this account; they are installed for the whole machine.",
              example: ["pkgs.htop"],
            }),
            hashedPassword: mkOption({
              type: hash,
              default: null,
              description:
                "Password, hashed (`mkpasswd -m yescrypt`). An empty text allows to log in without one; `!` locks the password.",
              example: "$y$j9T$…",
            }),
            hashedPasswordFile: mkOption({
              type: t.nullOr(t.path),
              default: null,
              description: "File of the machine whose first line is the hashed password; read at every activation.",
              example: "/var/lib/secrets/alice",
            }),
            password: mkOption({
              type: t.nullOr(t.str),
              default: null,
              description:
                "Password in clear text. It ends up, hashed, in the store, and readable in the configuration: for tests.",
              example: "secret",
            }),
            initialHashedPassword: mkOption({
              type: hash,
              default: null,
              description: "Like `hashedPassword`, for the moment the account is made.",
              example: "$y$j9T$…",
            }),
            initialPassword: mkOption({
              type: t.nullOr(t.str),
              default: null,
              description: "Like `password`, for the moment the account is made.",
              example: "changeme",
            }),
          })
          .config(({ name, config }) =>
            define({
              name: mkOptionDefault(() => name),
              group: mkIf(() => config.isNormalUser, mkDefault("users")),
              home: mkIf(
                () => config.isNormalUser,
                mkDefault(() => `/home/${config.name}`),
              ),
              createHome: mkIf(() => config.isNormalUser, mkDefault(true)),
            }),
          ),
      ),
    }),
    groups: mkOption({
      default: {},
      description: "The groups of the machine, by name. Debian's own are there always.",
      example: { developers: { gid: 1500, members: ["alice"] } },
      type: t.attrsOf(
        t
          .submodule({
            name: mkOption({
              type: accountName,
              defaultText: "<name>",
              description: "Name of the group.",
              example: "developers",
            }),
            gid: mkOption({
              type: t.nullOr(t.ints.u32),
              default: null,
              description: "Group number. When null, a free one is taken and kept.",
              example: 1500,
            }),
            members: mkOption({
              type: t.listOf(t.str),
              default: [],
              description: "Accounts in the group, beside those that name it in `extraGroups`.",
              example: ["alice"],
            }),
          })
          .config(({ name }) => define({ name: mkOptionDefault(() => name) })),
      ),
    }),
  },
  system: {
    build: {
      users: mkOption({
        type: derivationType,
        readOnly: true,
        internal: true,
        description: "The accounts as activation reads them.",
      }),
    },
  },
});

/** A declared account counts as the system's when it says so or has a number of the system. */
const isSystem = (user: Account): boolean =>
  user.isSystemUser || (user.uid !== null && (user.uid < 1000 || user.uid > 60000));

export default defineModule<Std>({
  key: "config/users-groups",
  options,
  config: ({ config, pkgs }) => {
    const users = once(() =>
      Object.values(config.users.users)
        .filter((user) => user.enable)
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
    const groups = once((): readonly Group[] => {
      // Membership is written at the user; gathered once, not once a group.
      const extra = new Map<string, string[]>();
      for (const user of users()) {
        for (const group of user.extraGroups) extra.set(group, [...(extra.get(group) ?? []), user.name]);
      }
      return Object.values(config.users.groups)
        .map(({ name, gid, members }) => ({
          name,
          gid,
          members: [...new Set([...members, ...(extra.get(name) ?? [])])].sort(),
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    });
    const groupNames = once(() => new Set(groups().map((group) => group.name)));
    return define({
      users: {
        users: mkMerge([
          mapAttrs(debianUsers, (_, user) =>
            define({
              uid: mkDefault(user.uid),
              isSystemUser: true,
              group: mkDefault(user.group),
              description: mkDefault(user.description),
              home: mkDefault(user.home),
              shell: mkDefault(user.shell ?? "/usr/sbin/nologin"),
            }),
          ),
          {
            root: {
              uid: 0,
              group: "root",
              description: "root",
              home: mkDefault("/root"),
              shell: mkDefault(() => config.users.defaultUserShell),
            },
          },
          mkEach(({ config: user }) =>
            define({
              shell: mkIf(
                () => user.isNormalUser,
                mkDefault(() => config.users.defaultUserShell),
              ),
            }),
          ),
        ]),
        groups: mapAttrs(debianGroups, (_, gid) => define({ gid: mkDefault(gid) })),
      },
      environment: { systemPackages: () => users().flatMap((user) => user.packages) },
      system: {
        build: { users: () => buildSpec(pkgs, users(), groups(), config.users.mutableUsers) },
        activationScripts: {
          users: {
            deps: ["var"],
            text: mkDefault(() =>
              usersActivation(
                `${config.system.build.users}`,
                `${config.system.build.etc}/etc/skel`,
                !config.users.mutableUsers || users().some((user) => user.hashedPasswordFile !== null),
              ),
            ),
          },
        },
      },
      assertions: () => [
        ...users().map((user) => ({
          assertion: user.name === "root" || isSystem(user) !== user.isNormalUser,
          message: user.isNormalUser
            ? `users.users.${user.name} is a person's account (isNormalUser) and the system's (isSystemUser, or a uid below 1000); choose one.`
            : `users.users.${user.name} must set one of \`isSystemUser\` and \`isNormalUser\`.`,
        })),
        ...users().map((user) => ({
          assertion: user.group !== "",
          message: `users.users.${user.name}.group is not set. For a service: users.users.${user.name}.group = "${user.name}" and users.groups.${user.name} = {}.`,
        })),
        ...users().flatMap((user) =>
          [user.group, ...user.extraGroups]
            .filter((group) => group !== "" && !groupNames().has(group))
            .map((group) => ({
              assertion: false,
              message: `users.users.${user.name} is in the group ${group}, which does not exist. Declare it: users.groups.${group} = {}.`,
            })),
        ),
        ...users().map((user) => {
          const given = (
            ["hashedPassword", "hashedPasswordFile", "password", "initialHashedPassword", "initialPassword"] as const
          ).filter((key) => user[key] !== null);
          return {
            assertion: given.length <= 1,
            message: `users.users.${user.name} has several passwords: ${given.join(", ")}. Keep one.`,
          };
        }),
        ...repeated(users(), (user) => user.uid).map(([uid, names]) => ({
          assertion: false,
          message: `users.users: ${names.join(" and ")} have the same uid ${uid}.`,
        })),
        ...repeated(groups(), (group) => group.gid).map(([gid, names]) => ({
          assertion: false,
          message: `users.groups: ${names.join(" and ")} have the same gid ${gid}.`,
        })),
        {
          assertion:
            config.users.mutableUsers ||
            config.users.allowNoPasswordLogin ||
            users().some(
              (user) =>
                (user.name === "root" || user.extraGroups.some((group) => group === "sudo" || group === "wheel")) &&
                mayLogIn(user),
            ),
          message:
            "users.mutableUsers is off, and neither root nor a member of the group sudo or wheel has a password or a key: nobody could ever administer the machine. If that is what you want, set users.allowNoPasswordLogin.",
        },
      ],
    });
  },
});

function mayLogIn(user: Account): boolean {
  const hashes = [user.hashedPassword, user.initialHashedPassword].filter((value) => value !== null);
  const open = hashes.some((value) => !value.startsWith("!") && value !== "*");
  const keys =
    (user as { openssh?: { authorizedKeys?: { keys?: readonly string[] } } }).openssh?.authorizedKeys?.keys ?? [];
  return (
    open ||
    user.password !== null ||
    user.initialPassword !== null ||
    user.hashedPasswordFile !== null ||
    keys.length > 0
  );
}

function repeated<T extends { readonly name: string }>(
  items: readonly T[],
  id: (item: T) => number | null,
): readonly (readonly [number, readonly string[]])[] {
  const byId = new Map<number, string[]>();
  for (const item of items) {
    const number = id(item);
    if (number !== null) byId.set(number, [...(byId.get(number) ?? []), item.name]);
  }
  return [...byId].filter(([, names]) => names.length > 1);
}
