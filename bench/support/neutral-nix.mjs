/**
 * A case in the neutral notation as a Nix expression: `{ lib }: [ module … ]`, what a person would write for real Nix.
 *
 *     {"$mkIf": [{"$ref": ["a", "b"]}, 1]}   →   (lib.mkIf config.a.b 1)
 *
 * Only what the measured cases use is known; anything else is an error, so that no case is measured as something else.
 */

const wrappers = new Map(
  ["mkDefault", "mkForce", "mkVMOverride", "mkOptionDefault", "mkBefore", "mkAfter"].map((name) => [`$${name}`, name]),
);

/** The modules of a case, as a function of `lib`. */
export function caseToNix({ modules }) {
  return `{ lib }: [\n${modules.map(moduleToNix).join("\n")}\n]\n`;
}

function moduleToNix({ file, options, config, imports, ...rest }) {
  refuse("part of a module", Object.keys(rest)[0]);
  const parts = [];
  if (file !== undefined) parts.push(`_file = ${text(file)};`);
  if (imports !== undefined) parts.push(`imports = [ ${imports.map(moduleToNix).join(" ")} ];`);
  if (options !== undefined) parts.push(`options = ${treeToNix(options)};`);
  if (config !== undefined) parts.push(`config = ${valueToNix(config)};`);
  return `({ config, ... }: { ${parts.join(" ")} })`;
}

function treeToNix(tree) {
  return set(Object.entries(tree), (node) => ("$option" in node ? optionToNix(node.$option) : treeToNix(node)));
}

function optionToNix({ type, description, ...rest }) {
  const parts = [];
  if (type !== undefined) parts.push(`type = ${typeToNix(type)};`);
  if (description !== undefined) parts.push(`description = ${text(description)};`);
  if ("default" in rest) parts.push(`default = ${valueToNix(rest.default)};`);
  refuse(
    "part of an option",
    Object.keys(rest).find((name) => name !== "default"),
  );
  return `lib.mkOption { ${parts.join(" ")} }`;
}

function typeToNix(type) {
  if (typeof type === "string") return `lib.types.${type}`;
  const [[name, of]] = Object.entries(type);
  if (name === "submodule") return `(lib.types.submodule [ ${of.map(moduleToNix).join(" ")} ])`;
  if (["listOf", "attrsOf", "lazyAttrsOf", "nullOr"].includes(name)) return `(lib.types.${name} ${typeToNix(of)})`;
  return refuse("type", name);
}

function valueToNix(value) {
  if (typeof value === "string") return text(value);
  if (typeof value === "number" && value < 0) return `(${value})`;
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `[ ${value.map(valueToNix).join(" ")} ]`;
  const [operator] = Object.keys(value);
  return operator?.startsWith("$") ? operationToNix(operator, value[operator]) : set(Object.entries(value), valueToNix);
}

function operationToNix(operator, operand) {
  const wrapper = wrappers.get(operator);
  if (wrapper !== undefined) return `(lib.${wrapper} ${valueToNix(operand)})`;
  switch (operator) {
    case "$mkIf":
    case "$mkOverride":
    case "$mkOrder":
      return `(lib.${operator.slice(1)} ${operand.map(valueToNix).join(" ")})`;
    case "$mkMerge":
      return `(lib.mkMerge ${valueToNix(operand)})`;
    case "$ref":
      return `config.${operand.map(text).join(".")}`;
    case "$add":
      return `(${operand.map(valueToNix).join(" + ")})`;
    case "$concat":
      return `(${operand.map(valueToNix).join(" + ")})`;
    case "$not":
      return `(! ${valueToNix(operand)})`;
    default:
      return refuse("operator", operator);
  }
}

function set(entries, valueOf) {
  return `{ ${entries.map(([name, value]) => `${text(name)} = ${valueOf(value)};`).join(" ")} }`;
}

/** Text as a Nix string: JSON's, with `${` made harmless. */
function text(string) {
  return JSON.stringify(string).replaceAll("${", "\\${");
}

function refuse(what, word) {
  if (word !== undefined) throw new Error(`cannot write the ${what} ${JSON.stringify(word)} in Nix`);
}
