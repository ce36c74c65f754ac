/**
 * Answers of real Nix where the corpora are thin, each to a question that was once answered otherwise. The notation is
 * that of the corpora.
 */
import { describe, expect, it } from "vitest";
import { check, type ModuleCase } from "../../src/conformance/modules.ts";

const tagged = { attrTag: { t: { type: { listOf: "int" }, default: [] }, c: { type: "int" } } };
const tagOrNumber = { $option: { type: { either: [tagged, "int"] } } };

const cases: readonly (Omit<ModuleCase, "id"> & { readonly says: string })[] = [
  {
    says: "an alias that nobody uses leaves the default of the option that it leads into",
    modules: [
      {
        imports: [{ $alias: { from: ["old"], to: ["b", "x"] } }],
        options: {
          b: { $option: { type: { attrsOf: "int" }, default: { x: 1, y: 7 } } },
        },
      },
    ],
    expected: { ok: { b: { x: 1, y: 7 }, old: 1 } },
  },
  {
    says: "an alias that is used replaces that default as any definition would",
    modules: [
      {
        imports: [{ $alias: { from: ["old"], to: ["b", "x"] } }],
        options: { b: { $option: { type: { attrsOf: "int" }, default: { x: 1, y: 7 } } } },
        config: { old: 2 },
      },
    ],
    expected: { ok: { b: { x: 2 }, old: 2 } },
  },
  {
    says: "an alias into an option is of type submodule",
    modules: [
      {
        imports: [{ $alias: { from: ["old"], to: ["b", "x"] } }],
        options: { b: { $option: { type: { attrsOf: "int" }, default: { x: 1 } } } },
      },
    ],
    expected: {
      ok: { b: { x: 1 }, old: 1 },
      meta: {
        '["old"]': {
          highestPrio: 9999,
          isDefined: false,
          files: [],
          type: "submodule",
          declarations: ["<unknown-file>"],
        },
      },
    },
  },
  {
    says: "a non-empty list needs no parentheses inside another type",
    modules: [{ file: "m", options: { a: { $option: { type: { listOf: { nonEmptyListOf: "str" } }, default: [] } } } }],
    expected: {
      ok: { a: [] },
      meta: {
        '["a"]': {
          highestPrio: 1500,
          isDefined: true,
          files: ["m"],
          type: "list of non-empty (list of string)",
          declarations: ["m"],
        },
      },
    },
  },
  {
    says: "a submodule that nobody defines has no name",
    modules: [
      {
        options: {
          s: {
            $option: {
              type: { submodule: [{ options: { x: { $option: { type: "str", default: { $arg: "name" } } } } }] },
            },
          },
        },
      },
    ],
    expected: { ok: { s: { x: "‹name›" } } },
  },
  {
    says: "of two tags at once, the value of the first is what cannot be read",
    modules: [
      {
        options: { a: { $option: { type: { attrTag: { b: { type: "int" }, c: { type: "int" } } } } } },
        config: { $mkMerge: [{ a: { b: 1 } }, { a: { c: 1 } }] },
      },
    ],
    expected: {
      error: "conflict",
      errors: [{ path: ["a", "b"], error: "conflict" }],
      partial: { a: { b: { $error: "conflict" } } },
    },
  },
  {
    says: "what the type of a tag says itself comes before what others say, as in any submodule",
    modules: [
      {
        file: "m0",
        options: {
          a: {
            $option: {
              type: {
                attrTag: {
                  p: {
                    type: {
                      submodule: [{ options: { l: { $option: { type: { listOf: "int" } } } }, config: { l: [1] } }],
                    },
                  },
                  q: { type: "int" },
                },
              },
            },
          },
        },
        config: { a: { p: { l: [2] } } },
      },
      {
        file: "m1",
        options: {
          a: { $option: { type: { attrTag: { p: { type: { submodule: [{ config: { l: [3] } }] } } } } } },
        },
        config: { a: { p: { l: [4] } } },
      },
    ],
    expected: { ok: { a: { p: { l: [3, 1, 2, 4] } } } },
  },
  {
    says: "a tag inside a tag is no exception",
    modules: [
      {
        options: {
          a: {
            $option: {
              type: {
                listOf: {
                  attrTag: {
                    p: {
                      type: {
                        nullOr: {
                          attrTag: {
                            z: {
                              type: {
                                submodule: [
                                  { options: { l: { $option: { type: { listOf: "int" } } } }, config: { l: [1] } },
                                ],
                              },
                            },
                          },
                        },
                      },
                    },
                  },
                },
              },
            },
          },
        },
        config: { a: [{ p: { z: { l: [2] } } }] },
      },
    ],
    expected: { ok: { a: [{ p: { z: { l: [1, 2] } } }] } },
  },
  {
    says: "null among the values of a choice is shown as what it is, no value",
    modules: [{ file: "m", options: { a: { $option: { type: { enum: ["x", null] }, default: null } } } }],
    expected: {
      ok: { a: null },
      meta: {
        '["a"]': {
          highestPrio: 1500,
          isDefined: true,
          files: ["m"],
          type: 'one of "x", <null>',
          declarations: ["m"],
        },
      },
    },
  },
  ...[
    { says: "a choice without the tag that is declared twice", value: 3, config: { a: 3 } },
    { says: "another tag than the one that is declared twice", value: { c: 3 }, config: { a: { c: 3 } } },
  ].map(({ says, value, config }) => ({
    says: `${says} has its value`,
    modules: [{ options: { a: tagOrNumber } }, { options: { a: tagOrNumber }, config }],
    expected: { ok: { a: value } },
  })),
  {
    says: "a tag that is declared twice inside a choice is a problem when it is used",
    modules: [{ options: { a: tagOrNumber } }, { options: { a: tagOrNumber }, config: { a: { t: [3] } } }],
    expected: {
      error: "duplicate-declaration",
      errors: [{ path: ["a", "t"], error: "duplicate-declaration" }],
      partial: { a: { t: { $error: "duplicate-declaration" } } },
    },
  },
  {
    says: "elsewhere it is one of the option",
    modules: [
      { options: { a: { $option: { type: { attrsOf: tagged } } } } },
      { options: { a: { $option: { type: { attrsOf: tagged } } } }, config: { a: { x: { c: 3 } } } },
    ],
    expected: {
      error: "duplicate-declaration",
      errors: [{ path: ["a"], error: "duplicate-declaration" }],
      partial: { a: { $error: "duplicate-declaration" } },
    },
  },
  {
    says: "a definition that throws has a place as long as nobody looks at it",
    modules: [
      { file: "m", options: { a: { $option: { type: "int" } } }, config: { a: { $mkBefore: { $throw: "x" } } } },
    ],
    expected: {
      error: "throw",
      errors: [{ path: ["a"], error: "throw" }],
      partial: { a: { $error: "throw" } },
      meta: {
        '["a"]': { highestPrio: 100, isDefined: true, files: ["m"], type: "signed integer", declarations: ["m"] },
      },
    },
  },
  {
    says: "a group whose unknown definitions do not fit the free-form type fails alone",
    modules: [
      {
        freeformType: { attrsOf: { attrsOf: "int" } },
        options: {
          a: { x: { $option: { type: "int", default: 1 } } },
          b: { c: { d: { $option: { type: "int", default: 2 } } } },
        },
        config: { a: { y: 1 }, b: { c: { e: "x" } } },
      },
    ],
    expected: {
      error: "type",
      errors: [{ path: ["b", "c"], error: "type" }],
      partial: { a: { x: 1, y: 1 }, b: { c: { $error: "type" } } },
    },
  },
  {
    says: "an option inside an option is a problem of all, whether anything is defined or not",
    modules: [
      { options: { a: { $option: { type: { nullOr: { submodule: [] } }, default: null } } } },
      { options: { a: { y: { $option: { type: "int", default: 2 } } } } },
    ],
    expected: { error: "nested-option", errors: [{ path: [], error: "nested-option" }] },
  },
  {
    says: "null is a value of a choice like any other, however often it is said",
    modules: [0, 1].map((i) => ({
      options: i === 0 ? { a: { $option: { type: { either: [{ nullOr: "str" }, { listOf: "str" }] } } } } : {},
      config: { a: null },
    })),
    expected: { ok: { a: null } },
  },
  {
    says: "what is said of `_module.check` has to make sense, unknown options or not",
    modules: [
      { options: { a: { $option: { type: "int", default: 1 } } }, config: { _module: { check: true } } },
      { config: { _module: { check: false } } },
    ],
    expected: { error: "conflict", errors: [{ path: [], error: "conflict" }] },
  },
  {
    says: "what a module disables that is dropped for its key is disabled",
    modules: [
      { key: "k", options: { a: { $option: { type: "int", default: 1 } } } },
      { key: "k", imports: [{ disabledModules: ["z"] }] },
      { key: "z", options: { b: { $option: { type: "int", default: 1 } } } },
    ],
    expected: { ok: { a: 1 } },
  },
  ...["anything", "unspecified"].map((type) => ({
    says: `an element that throws leaves the others of a list that is ${type}`,
    modules: [{ options: { a: { $option: { type } } }, config: { a: [1, [{ $throw: "x" }, 2]] } }],
    expected: {
      error: "throw",
      errors: [{ path: ["a", 1, 0], error: "throw" }],
      partial: { a: [1, [{ $error: "throw" }, 2]] },
    },
  })),
];

describe("real Nix says that", () => {
  for (const { says, ...item } of cases) {
    it(says, () => expect(check({ id: says, ...item })).toBeUndefined());
  }
});
