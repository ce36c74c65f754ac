/** Keys of an American keyboard, by QEMU's names. */

const shifted: { readonly [character: string]: string } = {
  "!": "1",
  "@": "2",
  "#": "3",
  $: "4",
  "%": "5",
  "^": "6",
  "&": "7",
  "*": "8",
  "(": "9",
  ")": "0",
  _: "minus",
  "+": "equal",
  "{": "bracket_left",
  "}": "bracket_right",
  "|": "backslash",
  ":": "semicolon",
  '"': "apostrophe",
  "<": "comma",
  ">": "dot",
  "?": "slash",
  "~": "grave_accent",
};
const plain: { readonly [character: string]: string } = {
  "\n": "ret",
  "\t": "tab",
  "\b": "backspace",
  "\u001b": "esc",
  " ": "spc",
  "-": "minus",
  "=": "equal",
  "[": "bracket_left",
  "]": "bracket_right",
  "\\": "backslash",
  ";": "semicolon",
  "'": "apostrophe",
  ",": "comma",
  ".": "dot",
  "/": "slash",
  "`": "grave_accent",
};

/** `ctrl-alt-delete`, `ret`, `a`, `A` or `!` → the keys that are pressed together. */
export function keysOf(key: string): readonly string[] {
  if ([...key].length > 1) return key.split("-").map((name) => keyNames[name] ?? name);
  if (/[A-Z]/.test(key)) return ["shift", key.toLowerCase()];
  const base = shifted[key];
  if (base !== undefined) return ["shift", base];
  return [plain[key] ?? key];
}

const keyNames: { readonly [name: string]: string } = { enter: "ret", escape: "esc", space: "spc", del: "delete" };
