/**
 * Text editors and the pager: nano, vim, less.
 */
import {
  declareOptions,
  define,
  defineModule,
  mkDefault,
  mkEnableOption,
  mkIf,
  mkMerge,
  mkOption,
  mkOverride,
  t,
} from "../../lib/index.ts";
import type { Std } from "../index.ts";

export const options = declareOptions({
  programs: {
    nano: {
      enable: mkOption({
        type: t.bool,
        default: true,
        description: "Whether the editor nano is there.",
        example: false,
      }),
      nanorc: mkOption({
        type: t.lines,
        default: "",
        description: "Settings of nano, see nanorc(5).",
        example: "set tabsize 2",
      }),
    },
    vim: {
      enable: mkEnableOption("the editor vim"),
      defaultEditor: mkOption({
        type: t.bool,
        default: false,
        description: "Whether EDITOR is vim.",
        example: true,
      }),
    },
    less: {
      enable: mkOption({
        type: t.bool,
        default: true,
        description: "Whether the pager less is there.",
        example: false,
      }),
      envVariables: mkOption({
        type: t.attrsOf(t.str),
        default: { LESS: "-R" },
        description: "Environment variables of less.",
        example: { LESS: "-R -i" },
      }),
    },
  },
});

/** The module that brings editors and the pager. */
export default defineModule<Std>({
  key: "programs/editors",
  options,
  config: ({ config, pkgs }) => {
    const { nano, vim, less } = config.programs;
    return define({
      environment: mkMerge([
        mkIf(() => nano.enable, {
          systemPackages: () => [pkgs["nano"]!],
          // Weaker than any mkDefault: the editor of last resort.
          variables: { EDITOR: mkOverride(1300, "nano") },
          etc: { nanorc: mkIf(() => nano.nanorc !== "", { text: () => nano.nanorc }) },
        }),
        mkIf(() => vim.enable, {
          systemPackages: () => [pkgs["vim"]!],
          variables: { EDITOR: mkIf(() => vim.defaultEditor, mkDefault("vim")) },
        }),
        mkIf(() => less.enable, {
          systemPackages: () => [pkgs["less"]!],
          variables: mkMerge([{ PAGER: mkDefault("less") }, () => less.envVariables]),
        }),
      ]),
    });
  },
});
