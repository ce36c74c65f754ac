/** From a machine as data to QEMU's arguments, and to the shell words that must be the same. */
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Facts, type MachineSpec, qemuArgv, renderArgv } from "../../src/vm/index.ts";
import { escapeQemuValue, qemuOption, repeated } from "../../src/vm/qemu-option.ts";
import { type Part, renderShell, type Template, word } from "../../src/vm/template.ts";
import {
  biosLoader,
  diskless,
  disks,
  efi,
  efiLoader,
  erofs,
  full,
  networked,
  ninep,
  otherBios,
  plain,
  shared,
  virtiofs,
} from "./machines.ts";

const facts: Facts = {
  root: "/home/me/my store",
  share: "/home/me/my store/nix/store/e-run-web-vm/share/osmod",
  accel: "kvm",
  disk: "/home/me/web.qcow2",
  diskFormat: "qcow2",
  busybox: "/home/me/my store/nix/store/f-busybox/bin/busybox",
  runtime: "/run/user/1000/osmod-web-abcdef",
  netOptions: "",
  kernelParams: "",
  console: "terminal",
};

const sharePaths = { share0: "/run/user/1000/osmod-web-abcdef/xchg", share1: "/home/me/pro ject" };

describe("QEMU's command line", () => {
  const machines: readonly (readonly [string, MachineSpec, Partial<Facts>])[] = [
    ["plain", plain, {}],
    ["full", full, { accel: "tcg", console: "plain", netOptions: ",hostfwd=tcp::2222-:22", kernelParams: " quiet" }],
    ["diskless", diskless, { root: "", accel: "tcg" }],
    [
      "disks",
      disks,
      {
        drive0: "/run/user/1000/osmod-web-abcdef/empty0.qcow2",
        driveFormat0: "qcow2",
        drive1: "/home/me/da,ta.img",
        driveFormat1: "raw",
      },
    ],
    ["erofs", erofs, {}],
    ["shared", shared, sharePaths],
    ["virtiofs", virtiofs, sharePaths],
    ["9p", ninep, sharePaths],
    ["efi", efi, { efiVariables: "/home/me/w,eb.qcow2.efivars" }],
    [
      "efi-loader",
      efiLoader,
      {
        efiVariables: "/home/me/web.qcow2.efivars",
        bootDisk: "/home/me/web.qcow2.boot",
        kernelParams: " quiet a=b,c",
      },
    ],
    ["bios-loader", biosLoader, { bootDisk: "/home/me/w,eb.qcow2.boot" }],
    ["other-bios", otherBios, {}],
    ["networked", networked, { vlan1: "/run/user/1000/lan,1", vlan7: "/run/user/1000/lan7" }],
  ];
  it.each(machines)("of the machine %s is as expected", async (name, spec, more) => {
    const argv = renderArgv(qemuArgv(spec), { ...facts, ...more } as Facts);
    await expect(`${argv.join("\n")}\n`).toMatchFileSnapshot(`expected/${name}.argv`);
  });

  it("doubles the commas of paths that only the start-up knows, inside options and nowhere else", () => {
    const argv = renderArgv(qemuArgv(plain), { ...facts, root: "/a,b", disk: "/c,d/web.qcow2" });
    expect(argv).toContain(`/a,b${plain.boot.kernel}`);
    expect(argv.find((a) => a.includes("id=root"))).toContain("file=/c,,d/web.qcow2,");
  });

  it("has no device that is not listed", () => {
    expect(renderArgv(qemuArgv(plain), facts)).toContain("-nodefaults");
  });

  it("puts the store on a wire that leads nowhere else", () => {
    const store = renderArgv(qemuArgv(plain), facts).find((a) => a.startsWith("user,id=store"));
    expect(store).toContain("restrict=on");
    expect(store).toContain("guestfwd=tcp:10.0.3.4:445-cmd:/bin/sh /run/user/1000/osmod-web-abcdef/smbd");
  });
});

describe("an option of QEMU", () => {
  it("writes switches, numbers, texts and repeated keys, and leaves out what is absent", () => {
    const option = qemuOption("user", {
      id: "n",
      a: true,
      b: false,
      c: 3,
      none: undefined,
      hostfwd: repeated(["x", "y,z"]),
    });
    expect(renderArgv([option], facts)).toEqual(["user,id=n,a=on,b=off,c=3,hostfwd=x,hostfwd=y,,z"]);
  });

  it("keeps every value whole, whatever it holds", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (values) => {
        const text =
          renderArgv([qemuOption("driver", Object.fromEntries(values.map((v, i) => [`k${i}`, v])))], facts)[0] ?? "";
        expect(parseOption(text).slice(1)).toEqual(values.map((v, i) => `k${i}=${v}`));
      }),
    );
  });

  it("is split at single commas only", () => {
    expect(parseOption(`a=${escapeQemuValue("x,y,,")},b=1`)).toEqual(["a=x,y,,", "b=1"]);
  });
});

describe("a template as shell code", () => {
  // No NUL in arguments, no lone surrogates in UTF-8.
  const text = fc.string({ unit: "binary" }).map((s) => Buffer.from(s).toString().replaceAll("\0", ""));
  const part: fc.Arbitrary<Part> = fc.oneof(
    text,
    fc.constantFrom<Part>({ hole: "disk" }, { hole: "disk", escaped: true }, { hole: "root" }, { hole: "runtime" }),
  );
  const template = fc.array(
    fc.array(part, { maxLength: 4 }).map((parts) => word(...parts)),
    { minLength: 1, maxLength: 30 },
  );

  it("gives the very arguments of the pure function", () => {
    fc.assert(
      fc.property(template, text, text, (words, disk, root) => {
        const known = { ...facts, disk, root };
        expect(inShell(words, known)).toEqual(renderArgv(words, known));
      }),
      { numRuns: 60 },
    );
  });

  it("gives them for whole machines, under every condition", () => {
    const more = {
      drive0: "/e,0",
      driveFormat0: "qcow2",
      drive1: "/d,1",
      driveFormat1: "raw",
      vlan1: "/v,1",
      vlan7: "/v 7",
      bootDisk: "/b,oot",
      efiVariables: "/e fi",
      kernelParams: " a=b,c d",
    };
    const all = [
      plain,
      full,
      diskless,
      disks,
      erofs,
      virtiofs,
      ninep,
      networked,
      efi,
      efiLoader,
      biosLoader,
      otherBios,
    ];
    for (const spec of all) {
      for (const accel of ["kvm", "tcg"] as const) {
        for (const console of ["terminal", "plain"] as const) {
          const known = { ...facts, ...sharePaths, ...more, accel, console };
          expect(inShell(qemuArgv(spec), known)).toEqual(renderArgv(qemuArgv(spec), known));
        }
      }
    }
  });
});

/** The arguments that a shell makes of a template. */
function inShell(words: Template, known: Facts): string[] {
  const variables = Object.entries(known).flatMap(([name, value]) => [
    [`fact_${name}`, value],
    [`fact_${name}_escaped`, value.replaceAll(",", ",,")],
  ]);
  const assign = variables.map(([name = ""]) => `${name.slice("fact_".length)}=$${name}`).join("\n");
  const script = `${assign}\nset --\n${renderShell(words)}for a in "$@"; do printf '%s\\0' "$a"; done`;
  const output = execFileSync("/bin/sh", ["-c", script], { env: Object.fromEntries(variables), encoding: "utf8" });
  return output.split("\0").slice(0, -1);
}

/** How QEMU takes an option apart. */
function parseOption(option: string): string[] {
  const values: string[] = [];
  let current = "";
  for (let i = 0; i < option.length; i += 1) {
    if (option[i] !== ",") current += option[i];
    else if (option[i + 1] === ",") {
      current += ",";
      i += 1;
    } else {
      values.push(current);
      current = "";
    }
  }
  return [...values, current];
}
