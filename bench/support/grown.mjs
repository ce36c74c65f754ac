/**
 * Configurations of any size: modules of twenty options each, one plain definition an option; every tenth definition stands
 * under a condition that reads another module's option.
 */

const PER_MODULE = 20;
/** Two of twenty, both integers. */
const isConditional = (o) => o % 8 === 4;

/** Modules that declare and define `size` options. */
export function grownModules(raw, size) {
  const types = [raw.int, raw.str, raw.bool, raw.listOf(raw.str)];
  const count = Math.ceil(size / PER_MODULE);
  return Array.from({ length: count }, (_, m) => {
    const own = Math.min(PER_MODULE, size - m * PER_MODULE);
    const numbers = Array.from({ length: own }, (_, o) => o);
    const other = `g${(m * 7 + 3) % (count - 1)}`; // any module but the last, which may lack some options
    const options = numbers.map((o) => {
      const type = types[o % types.length];
      return [`o${o}`, new raw.OptionDecl(isConditional(o) ? { type, default: 0 } : { type })];
    });
    return new raw.ModuleRecord({
      file: `m${m}.ts`,
      options: { [`g${m}`]: Object.fromEntries(options) },
      config: ({ config }) => {
        const definition = (o) => {
          const value = [o, `text ${m} ${o}`, m % 2 === 0, [`element ${m}`, `element ${o}`]][o % types.length];
          return isConditional(o) ? new raw.Property("if", value, () => config[other].o2) : value;
        };
        return { [`g${m}`]: Object.fromEntries(numbers.map((o) => [`o${o}`, definition(o)])) };
      },
    });
  });
}
