/** Which of its two things `osmod test` does. */
import { expect, it } from "vitest";
import { meansSwitch } from "../../src/cli/test-or-switch.ts";

it.each([
  [["machine.ts"], true],
  [["machine.ts", "--vm", "web"], true],
  [["--rollback", "--vm=web"], true],
  [["--generation", "3", "--vm", "web"], true],
  [["web.test.ts"], false],
  [["--log", "tests/web.spec.mts"], false],
  [["-t", "starts", "web.test.ts"], false],
  [[], false],
  [["--help"], false],
])("osmod test %j is a switch: %s", (argv, expected) => {
  expect(meansSwitch(argv)).toBe(expected);
});
