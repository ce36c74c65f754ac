/**
 * What the compiler must refuse, and what it must know. Each line below a `@ts-expect-error` has exactly that error; the
 * error has to stand at the misspelt or ill-typed value itself, so the comment stands right above it.
 */
import { describe, expectTypeOf, it } from "vitest";
import {
  type Def,
  declareOptions,
  define,
  defineModule,
  evalModules,
  type In,
  literal,
  mkBefore,
  mkDefault,
  mkEach,
  mkForce,
  mkIf,
  mkMerge,
  mkOption,
  mkVMOverride,
  t,
  using,
  type Values,
} from "../../src/lib/index.ts";

const user = t.submodule({
  uid: mkOption({ type: t.nullOr(t.int), default: null }),
  home: mkOption({ type: t.path }),
  groups: mkOption({ type: t.listOf(t.str), default: [] }),
});
const options = declareOptions({
  networking: {
    hostName: mkOption({ type: t.str, default: "machine" }),
    ports: mkOption({ type: t.listOf(t.port), default: [] }),
  },
  services: {
    sshd: {
      enable: mkOption({ type: t.bool, default: false }),
      login: mkOption({ type: t.enum(["yes", "no"]), default: "no" }),
      settings: mkOption({
        type: t.freeform({ Port: mkOption({ type: t.int }) }, t.either(t.str, t.int)),
        default: {},
      }),
      listen: mkOption({ type: t.attrTag({ tcp: mkOption({ type: t.port }), unix: mkOption({ type: t.path }) }) }),
      size: mkOption({ type: t.coercedTo(t.int, String, t.str) }),
      render: mkOption({ type: t.functionTo<typeof t.str, number>(t.str) }),
      count: mkOption({ type: t.int, default: 1, apply: (n) => `${n}` }),
    },
  },
  users: { users: mkOption({ type: t.attrsOf(user), default: {} }) },
});
type Options = typeof options;
const module = (spec: Parameters<typeof defineModule<Options>>[0]) => defineModule<Options>(spec);

describe("definitions", () => {
  it("may be values, thunks and wrappers at any depth", () => {
    module({
      config: ({ config }) =>
        mkMerge([
          {
            networking: mkIf(() => config.services.sshd.enable, {
              hostName: mkDefault(() => "x"),
              ports: mkBefore([22]),
            }),
          },
          mkIf(() => true, mkForce({ services: { sshd: { login: "yes", settings: { Port: 22, Banner: "hi" } } } })),
          define({ users: { users: { alice: { uid: 1 }, bob: ({ name }) => define({ home: `/home/${name}` }) } } }),
          { users: { users: mkEach(({ config: own }) => define({ groups: () => own.groups })) } },
          { services: { sshd: { listen: { tcp: 22 }, size: 5, render: literal((n: number) => `${n}`) } } },
        ]),
    });
  });

  it("are refused where an option is misspelt", () => {
    // @ts-expect-error plain
    module({ config: { services: { sshd: { enabel: true } } } });
    module({
      config: ({ config }) =>
        define({
          // @ts-expect-error inside define, beside a correct one
          services: { sshd: { enable: () => config.services.sshd.enable, enabel: true } },
        }),
    });
    module({
      config: () =>
        mkMerge([
          {
            services: mkIf(
              () => true,
              mkForce({
                sshd: mkVMOverride({
                  // @ts-expect-error inside mkMerge, mkIf, mkForce and mkVMOverride
                  enabel: true,
                }),
              }),
            ),
          },
        ]),
    });
    module({
      config: {
        users: {
          users: {
            // @ts-expect-error inside an element of an attribute set
            alice: { uid: 1, shel: "/bin/sh" },
          },
        },
      },
    });
    module({
      config: () =>
        define({
          users: {
            users: {
              alice: ({ name }) =>
                define({
                  home: `/home/${name}`,
                  // @ts-expect-error inside the function of a submodule
                  shel: "/bin/sh",
                }),
            },
          },
        }),
    });
  });

  it("are refused where a value has the wrong type", () => {
    // @ts-expect-error plain
    module({ config: { services: { sshd: { enable: "yes" } } } });
    // @ts-expect-error an element of a list
    module({ config: { networking: { ports: [22, "23"] } } });
    // @ts-expect-error a member of an enum
    module({ config: { services: { sshd: { login: "maybe" } } } });
    // @ts-expect-error inside mkIf
    module({ config: () => mkIf(() => true, { networking: { hostName: 5 } }) });
    // @ts-expect-error inside nested wrappers
    module({ config: () => define({ networking: { hostName: mkIf(() => true, mkDefault(5)) } }) });
    // @ts-expect-error from a thunk
    module({ config: () => define({ networking: { hostName: () => 5 } }) });
    // @ts-expect-error from a thunk inside mkForce
    module({ config: ({ config }) => define({ networking: { hostName: mkForce(() => config.networking.ports) } }) });
    // @ts-expect-error an alternative that does not exist
    module({ config: { services: { sshd: { listen: { udp: 22 } } } } });
    // @ts-expect-error a default
    mkOption({ type: t.listOf(t.port), default: ["22"] });
    mkOption({
      type: user,
      default: {
        // @ts-expect-error inside a default
        uid: "1",
      },
    });
    // @ts-expect-error an explicit undefined
    module({ config: { networking: { hostName: undefined } } });
  });

  it("are refused where they have the wrong shape", () => {
    // @ts-expect-error a bare object from a config function
    module({ config: ({ config }) => ({ networking: { hostName: () => config.networking.hostName } }) });
    // @ts-expect-error a condition that is no thunk
    module({ config: ({ config }) => mkIf(config.services.sshd.enable, { networking: { hostName: "x" } }) });
    // @ts-expect-error a thunk at a group
    module({ config: () => define({ networking: () => ({ hostName: "x" }) }) });
    // @ts-expect-error a value at a group
    module({ config: { services: { sshd: true } } });
    // @ts-expect-error no scope, nothing to define
    defineModule({ config: { networking: { hostName: "x" } } });
  });
});

describe("the configuration", () => {
  it("has the types of its options", () => {
    type Config = Values<Options>;
    expectTypeOf<Config["networking"]["ports"]>().toEqualTypeOf<readonly number[]>();
    expectTypeOf<Config["services"]["sshd"]["login"]>().toEqualTypeOf<"yes" | "no">();
    expectTypeOf<Config["services"]["sshd"]["count"]>().toEqualTypeOf<string>();
    expectTypeOf<Config["services"]["sshd"]["size"]>().toEqualTypeOf<string>();
    expectTypeOf<Config["users"]["users"][string]["uid"]>().toEqualTypeOf<number | null>();
    expectTypeOf<Config["services"]["sshd"]["render"]>().toEqualTypeOf<(argument: number) => string>();
    expectTypeOf<Config["services"]["sshd"]["listen"]>().toEqualTypeOf<
      { readonly tcp: number } | { readonly unix: string }
    >();
  });

  it("is read-only, and has no option that is not declared", () => {
    module({
      config: ({ config }) => {
        // @ts-expect-error read-only
        config.networking.hostName = "x";
        // @ts-expect-error a misspelt option
        return define({ networking: { hostName: () => config.networking.hostNam } });
      },
    });
  });

  it("knows the options of the modules that were given", () => {
    const base = using().declare(options).defineModule({});
    const more = using(base)
      .declare({ extra: mkOption({ type: t.int, default: 1 }) })
      .defineModule({ config: ({ config }) => define({ networking: { hostName: () => `n${config.extra}` } }) });
    const { config, extendModules } = evalModules({ modules: [more] });
    expectTypeOf(config.extra).toEqualTypeOf<number>();
    expectTypeOf(config.networking.hostName).toEqualTypeOf<string>();
    const other = using()
      .declare({ third: mkOption({ type: t.bool }) })
      .defineModule({});
    expectTypeOf(extendModules({ modules: [other] }).config.third).toEqualTypeOf<boolean>();
  });

  it("joins the options that two modules give to one submodule", () => {
    const one = declareOptions({ a: mkOption({ type: t.attrsOf(t.submodule({ x: mkOption({ type: t.int }) })) }) });
    const two = declareOptions({ a: mkOption({ type: t.attrsOf(t.submodule({ y: mkOption({ type: t.str }) })) }) });
    type Both = Values<typeof one & typeof two>["a"][string];
    expectTypeOf<Both["x"]>().toEqualTypeOf<number>();
    expectTypeOf<Both["y"]>().toEqualTypeOf<string>();
  });

  it("says what may be written for a type", () => {
    expectTypeOf<number>().toExtend<In<typeof t.int>>();
    expectTypeOf<() => number>().toExtend<Def<In<typeof t.int>>>();
    expectTypeOf<string>().not.toExtend<Def<In<typeof t.int>>>();
  });
});
