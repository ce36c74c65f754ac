/**
 * The accounts that every Debian system has: those of base-passwd, with their fixed numbers, and those that
 * systemd, dbus and udev expect, whose numbers Debian hands out on installation and we fix here, so that files on a disk keep
 * their owner whatever is installed first.
 */

/** An account of Debian: number, group, home, shell where they differ from the usual. */
export interface BaseUser {
  readonly uid: number;
  readonly group: string;
  readonly description: string;
  readonly home: string;
  readonly shell?: string;
}

const account = (uid: number, group: string, home: string, description = group): BaseUser => ({
  uid,
  group,
  home,
  description,
});

/** Users of base-passwd's passwd.master, except root, and of the system's own daemons. */
export const debianUsers: { readonly [name: string]: BaseUser } = {
  daemon: account(1, "daemon", "/usr/sbin"),
  bin: account(2, "bin", "/bin"),
  sys: account(3, "sys", "/dev"),
  sync: { ...account(4, "nogroup", "/bin", "sync"), shell: "/bin/sync" },
  games: account(5, "games", "/usr/games"),
  man: account(6, "man", "/var/cache/man"),
  lp: account(7, "lp", "/var/spool/lpd"),
  mail: account(8, "mail", "/var/mail"),
  news: account(9, "news", "/var/spool/news"),
  uucp: account(10, "uucp", "/var/spool/uucp"),
  proxy: account(13, "proxy", "/bin"),
  "www-data": account(33, "www-data", "/var/www"),
  backup: account(34, "backup", "/var/backups"),
  list: account(38, "list", "/var/list", "Mailing List Manager"),
  irc: account(39, "irc", "/run/ircd", "ircd"),
  _apt: account(42, "nogroup", "/nonexistent", ""),
  nobody: account(65534, "nogroup", "/nonexistent", "nobody"),
  "systemd-network": account(998, "systemd-network", "/", "systemd Network Management"),
  "systemd-resolve": account(997, "systemd-resolve", "/", "systemd Resolver"),
  "systemd-timesync": account(996, "systemd-timesync", "/", "systemd Time Synchronization"),
  messagebus: account(995, "messagebus", "/nonexistent", "System Message Bus"),
  sshd: account(994, "nogroup", "/run/sshd", "sshd user"),
};

/** Groups of base-passwd's group.master, and those that udev's rules and the system's daemons name. */
export const debianGroups: { readonly [name: string]: number } = {
  root: 0,
  daemon: 1,
  bin: 2,
  sys: 3,
  adm: 4,
  tty: 5,
  disk: 6,
  lp: 7,
  mail: 8,
  news: 9,
  uucp: 10,
  man: 12,
  proxy: 13,
  kmem: 15,
  dialout: 20,
  fax: 21,
  voice: 22,
  cdrom: 24,
  floppy: 25,
  tape: 26,
  sudo: 27,
  audio: 29,
  dip: 30,
  "www-data": 33,
  backup: 34,
  operator: 37,
  list: 38,
  irc: 39,
  src: 40,
  shadow: 42,
  utmp: 43,
  video: 44,
  sasl: 45,
  plugdev: 46,
  staff: 50,
  games: 60,
  users: 100,
  nogroup: 65534,
  "systemd-journal": 999,
  "systemd-network": 998,
  "systemd-resolve": 997,
  "systemd-timesync": 996,
  messagebus: 995,
  input: 993,
  sgx: 992,
  clock: 991,
  kvm: 990,
  render: 989,
  _ssh: 988,
  netdev: 987,
  crontab: 986,
  // NixOS' name for those who may become root; Debian's own is `sudo`.
  wheel: 985,
};
