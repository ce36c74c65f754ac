/**
 * The order of names in everything that is hashed: by their UTF-8 bytes.
 *
 * JavaScript compares UTF-16 code units. The two differ only when a surrogate pair meets a unit from U+E000 up, so the
 * fast path decides by code units unless the first difference is such a pair; that is every comparison but the rarest.
 */
export function byteOrder(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // Moves surrogates above all other units, which is where UTF-8 has the characters they stand for.
    return weight(x) - weight(y);
  }
  return a.length - b.length;
}

function weight(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
