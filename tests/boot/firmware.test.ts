/**
 * Firmware, boot loaders and a TPM, on one machine: it goes on from a saved start by EFI and systemd-boot, then is started as it was built anew
 * by BIOS and GRUB with another kernel and a TPM, then by EFI without a boot loader. Its root, its variables and its TPM go through all of that.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Installed } from "../helpers/installed.ts";

const home = new Installed("firmware");
const directory = home.makeDirectory(join(home.home, "a machine"));
const state = join(home.home, ".local/state/osmod/vms/fw");
const variable = "/sys/firmware/efi/efivars/OsmodTest-6f736d6f-6400-4000-8000-00000000000f";

afterAll(async () => {
  for (const name of ["fw", "twin"]) await osmod("vm", "stop", "--force", name);
  home.remove();
});

const osmod = (...args: string[]) => home.osmod(args, { cwd: directory });

/** Run a shell script in the guest; it must succeed. */
async function guest(script: string, name = "fw"): Promise<string> {
  const { code, stdout, stderr } = await osmod("vm", "exec", name, "--", "sh", "-ec", script);
  if (code !== 0) throw new Error(`${script} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** Processes of this machine's swtpm: itself, and what confines it, whose arguments name its state. */
const tpms = () =>
  readdirSync("/proc").filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (!words.includes("swtpm\0socket")) return false;
      const [, parent] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
      return `${words}${readFileSync(`/proc/${parent}/cmdline`, "latin1")}`.includes(home.home);
    } catch {
      return false;
    }
  });

const tpm = `tpm: {
          enable: true,
          provisioning: "tpm2_nvreadpublic 0x1500001 > /dev/null 2>&1 || { tpm2_nvdefine 0x1500001 -C o -s 4; printf host | tpm2_nvwrite 0x1500001 -C o -i -; }",
        },`;

/** Build a machine with these words in it, and start it on the disk that it had; what that said. */
async function start(verb: "build-vm" | "build-vm-with-bootloader", boot: string, virtualisation: string) {
  writeFileSync(
    join(directory, "machine.ts"),
    `import { define, defineMachine } from "osmod";

export default defineMachine({
  config: ({ pkgs }) =>
    define({
      networking: { hostName: "fw" },
      system: { stateVersion: "13" },
      environment: { systemPackages: [pkgs["tpm2-tools"]!, pkgs["libtss2-tcti-device0t64"]!] },
      boot: { ${boot} },
      virtualisation: { ${virtualisation} },
    }),
});
`,
  );
  home.giveAll(directory);
  const built = await osmod(verb);
  expect(built.code, built.stderr).toBe(0);
  const { code, stdout, stderr } = await osmod("vm", "start", "--wait", "--resume", "./result");
  expect(code, stderr).toBe(0);
  return stdout;
}

async function stop(): Promise<void> {
  const { code, stdout } = await osmod("vm", "stop", "fw");
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining("powered off") });
  expect(tpms()).toEqual([]);
}

/** What the only saved start has beside its memory. */
function savedStart(): string {
  const starts = join(home.home, ".cache/osmod/starts");
  const [name = ""] = readdirSync(starts);
  return readdirSync(join(starts, name))
    .filter((file) => file.startsWith("disk."))
    .map(
      (file) =>
        `${file} ${createHash("sha256")
          .update(readFileSync(join(starts, name, file)))
          .digest("hex")}`,
    )
    .join("\n");
}

const kept = `echo 3 > /proc/sys/vm/drop_caches; cat /root/kept /boot/kept; cat ${variable} | tail -c +5`;
const readTpm = (index: string) => guest(`tpm2_nvread ${index} -C o -T device:/dev/tpmrm0`);

describe("EFI and systemd-boot", () => {
  beforeAll(async () => {
    const loader = 'loader: { timeout: 0, "systemd-boot": { enable: true } }';
    expect(await start("build-vm-with-bootloader", loader, "")).toContain("goes on");
    for (const name of [".boot", ".efivars"]) expect(savedStart()).toContain(`disk.qcow2${name} `);
  });

  it("are what the machine was started by, before it was saved", async () => {
    expect(await guest("ls /sys/firmware/efi")).toContain("efivars");
    const loader = await guest("cat /sys/firmware/efi/efivars/LoaderInfo-* | tail -c +5 | tr -d '\\0'");
    expect(loader).toMatch(/^systemd-boot 25\d/);
    expect(await guest("systemctl --failed --no-legend --plain")).toBe("");
  });

  it("find kernel, initrd and an entry on the boot partition, and what the start-up adds", async () => {
    expect(await guest("ls /boot/loader/entries; findmnt -t vfat -no FSTYPE /boot; stat -c %a /boot")).toBe(
      "osmod.conf\nvfat\n700\n",
    );
    const kernel = (await guest("uname -r")).trim();
    expect(await guest("cat /boot/loader/entries/osmod.conf")).toContain(`linux /EFI/osmod/linux-${kernel}.efi`);
    expect(await guest("cat /proc/cmdline")).toMatch(/^initrd=.* init=\/nix\/store\/.* tsc=reliable/);
  });

  it("keep what is written over a sleep, and to themselves", async () => {
    const before = savedStart();
    const boot = await guest(
      `echo kept > /root/kept; echo kept > /boot/kept; printf '\\7\\0\\0\\0kept' > ${variable}
      sync; cat /proc/sys/kernel/random/boot_id`,
    );
    const { code, stderr } = await osmod("vm", "stop", "--sleep", "fw");
    expect(code, stderr).toBe(0);
    expect((await osmod("vm", "start", "--resume", "fw")).stdout).toContain("goes on");
    expect(await guest("cat /proc/sys/kernel/random/boot_id")).toBe(boot);
    expect(await guest(kept)).toBe("kept\nkept\nkept");

    expect((await osmod("vm", "start", "--resume", "--name", "twin", "./result")).stdout).toContain("goes on");
    expect(await guest(`cat /proc/sys/kernel/random/boot_id; ls -d ${variable} /boot/kept || :`, "twin")).toBe(boot);
    await osmod("vm", "stop", "--force", "twin");
    expect(savedStart()).toBe(before);
  });

  it("keep what is written over a reboot", async () => {
    const before = await guest("cat /proc/sys/kernel/random/boot_id");
    await osmod("vm", "exec", "fw", "--", "systemctl", "reboot");
    let now = before;
    for (let tries = 0; now === before && tries < 200; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      now = await guest("cat /proc/sys/kernel/random/boot_id").catch(() => before);
    }
    expect(now).not.toBe(before);
    expect(await guest(kept)).toBe("kept\nkept\nkept");
    await stop();
    expect(readdirSync(state)).toEqual(expect.arrayContaining(["disk.qcow2.boot", "disk.qcow2.efivars"]));
  });
});

describe("the same machine built anew, with another kernel, BIOS, GRUB and a TPM", () => {
  beforeAll(() =>
    start(
      "build-vm-with-bootloader",
      'loader: { timeout: 0 }, kernelPackage: pkgs["linux-image-amd64"]!, kernelParams: ["osmod.words=\\"a b\\""]',
      // QEMU's own is this one, too.
      tpm + 'bios: `${pkgs["seabios"]!.unpacked}/usr/share/seabios/bios-256k.bin`',
    ),
  );

  it("starts its own kernel, with every word of its command line", async () => {
    const { stdout } = await home.run(join(directory, "result/bin/run-fw-vm"), ["--print-command"], { cwd: directory });
    expect(stdout).toMatch(/ -bios '?\/.*bios-256k\.bin/);
    expect(await guest("[ ! -e /sys/firmware/efi ]; uname -r")).toMatch(/deb13-amd64\n$/);
    const line = await guest("cat /proc/cmdline");
    expect(line).toMatch(/^BOOT_IMAGE=.* tsc=reliable .* systemd\.tty\.columns\.console=80\n$/);
    expect(line).toContain('"osmod.words=a b"');
  });

  it("has lost nothing but what was written to its former boot disk", async () => {
    expect(await guest("cat /root/kept; ls /boot/kept 2> /dev/null || ls /boot/grub")).toBe("kept\ngrub.cfg\n");
  });

  it("is shown what the host put into the TPM, and writes to it", async () => {
    expect(await guest("cat /sys/class/tpm/tpm0/tpm_version_major; ls /dev/tpm0")).toBe("2\n/dev/tpm0\n");
    expect(await readTpm("0x1500001")).toBe("host");
    await guest(`export TPM2TOOLS_TCTI=device:/dev/tpmrm0
      tpm2_nvdefine 0x1500002 -C o -s 5 > /dev/null; printf guest | tpm2_nvwrite 0x1500002 -C o -i -`);
  });

  it("does not go to sleep with the TPM, which ends with the machine", async () => {
    const { code, stderr } = await osmod("vm", "stop", "--sleep", "fw");
    expect(code).toBe(1);
    expect(stderr).toContain("vm-not-saved");
    expect(stderr).toContain("virtualisation.tpm.enable");
    expect(tpms()).not.toEqual([]);
    await stop();
  });
});

describe("the same machine without a boot loader", () => {
  it("is started by its EFI, with the variables of before", async () => {
    await start("build-vm", "", `${tpm} useEFIBoot: true`);
    expect(await guest(`cat /root/kept; cat ${variable} | tail -c +5; ls -A /boot | wc -l`)).toBe("kept\nkept0\n");
    expect(await guest("cat /proc/cmdline")).toContain("tsc=reliable");
    expect(await readTpm("0x1500002")).toBe("guest");
    await stop();
    expect(existsSync(join(state, "saved"))).toBe(false);
  });
});
