/** What the compiler must refuse, and what it must know, about `mkUnset`, `mkRemove` and `mkTransform`. */
import { describe, it } from "vitest";
import {
  declareOptions,
  define,
  defineModule,
  mkAfter,
  mkForce,
  mkIf,
  mkOption,
  mkRemove,
  mkTransform,
  mkUnset,
  t,
} from "../../src/lib/index.ts";

const user = t.submodule({ uid: mkOption({ type: t.int }), groups: mkOption({ type: t.listOf(t.str) }) });
const options = declareOptions({
  n: mkOption({ type: t.int, default: 1 }),
  e: mkOption({ type: t.enum(["a", "b"]) }),
  group: { ports: mkOption({ type: t.listOf(t.port), default: [] }) },
  users: mkOption({ type: t.attrsOf(user), default: {} }),
  maybe: mkOption({ type: t.nullOr(t.listOf(t.str)), default: null }),
});
type Options = typeof options;
const module = (spec: Parameters<typeof defineModule<Options>>[0]) => defineModule<Options>(spec);

describe("changes", () => {
  it("stand wherever a value may", () => {
    module({
      config: ({ config }) =>
        define({
          n: mkTransform((n) => n + 1),
          e: mkForce(mkUnset()),
          group: { ports: mkIf(() => config.n > 1, mkForce(mkAfter(mkRemove([22])))) },
          users: mkRemove(["guest"]),
          maybe: mkTransform((names) => names?.toSorted() ?? null),
        }),
    });
    module({ config: { group: { ports: mkRemove(() => [22]) }, users: { guest: mkForce(mkUnset()) } } });
    module({
      config: { users: { a: { groups: mkTransform((groups) => groups.filter((group) => group !== "wheel")) } } },
    });
    module({ config: { maybe: mkRemove(["a"]) } });
  });

  it("are refused where they do not fit", () => {
    // @ts-expect-error a list of numbers
    module({ config: { group: { ports: mkRemove(["22"]) } } });
    // @ts-expect-error a number has no elements
    module({ config: { n: mkRemove([1]) } });
    // @ts-expect-error a function to text
    module({ config: { n: mkTransform((n) => `${n}`) } });
    // @ts-expect-error no member of the enum
    module({ config: { e: mkTransform((): "c" => "c") } });
    module({
      // @ts-expect-error names are not numbers
      config: { users: mkRemove([1]) },
    });
  });
});
