/** apt as an oracle: what it would install from an index into an empty system. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const hasApt = spawnSync("apt-get", ["--version"]).status === 0;
export const hasDpkg = spawnSync("dpkg", ["--version"]).status === 0;

/** An isolated apt whose only archive is the given index. */
export class Apt {
  readonly #options: string[];

  constructor(root: string, packages: string) {
    for (const dir of [
      "lists/partial",
      "cache/archives/partial",
      "etc/sources.list.d",
      "etc/preferences.d",
      "etc/apt.conf.d",
      "archive",
    ]) {
      mkdirSync(join(root, dir), { recursive: true });
    }
    writeFileSync(join(root, "status"), "");
    writeFileSync(join(root, "archive/Packages"), packages);
    writeFileSync(join(root, "etc/sources.list"), `deb [trusted=yes] copy:${join(root, "archive")} ./\n`);
    const set = (name: string, value: string) => ["-o", `${name}=${value}`];
    this.#options = [
      ...set("APT::Architecture", "amd64"),
      ...set("APT::Architectures", "amd64"),
      ...set("APT::Install-Recommends", "false"),
      ...set("APT::Get::AllowUnauthenticated", "true"),
      ...set("APT::Sandbox::User", "root"),
      ...set("APT::Update::Post-Invoke-Success", ""),
      ...set("Acquire::Languages", "none"),
      ...set("Dir::State::status", join(root, "status")),
      ...set("Dir::State::lists", join(root, "lists")),
      ...set("Dir::State::extended_states", join(root, "extended")),
      ...set("Dir::Cache", join(root, "cache")),
      ...set("Dir::Etc", join(root, "etc")),
      ...set("Dir::Log", root),
      ...set("Debug::NoLocking", "true"),
    ];
    this.#run(["update", "-q"]);
  }

  /** Names that `apt-get install` would install, sorted; undefined when it refuses. */
  install(roots: readonly string[], recommends = false): readonly string[] | undefined {
    try {
      const flag = recommends ? "--install-recommends" : "--no-install-recommends";
      const out = this.#run(["-s", "-q", flag, "install", ...[...roots].sort()]);
      return [...out.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]!.replace(/:.*/, "")).sort();
    } catch {
      return undefined;
    }
  }

  #run(args: string[]): string {
    const env = { PATH: process.env.PATH ?? "", APT_CONFIG: "/dev/null", LC_ALL: "C", HOME: "/nonexistent" };
    return execFileSync("apt-get", [...this.#options, ...args], {
      encoding: "utf8",
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }
}
