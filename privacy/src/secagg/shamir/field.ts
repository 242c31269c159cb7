/**
 * A binary field whose elements are packed several to a 32-bit word. `scaleAdd` works on secrets: no table, no branch
 * and no memory access depends on them. `divide` is for the public coordinates of the holders only.
 */
export interface PackedField {
  /** Largest holder coordinate x; coordinates start at 1. */
  readonly maximumHolders: number;
  /** target[i] ← target[i] × scalar + addend[i], for every field element packed in the words. */
  scaleAdd(target: Uint32Array, scalar: number, addend: Uint32Array): void;
  /** target[i] ← target[i] + scalar × source[i]. */
  addScaled(target: Uint32Array, scalar: number, source: Uint32Array): void;
  /** Product of two public elements, in time that depends on them. */
  multiplyPublic(a: number, b: number): number;
  /** Quotient of two public elements, the second not zero, in time that depends on them. */
  dividePublic(a: number, b: number): number;
}

/**
 * A field of characteristic 2 with `elementBits` bits an element.
 *
 * @param elementBits 8 or 16
 * @param reduction low bits of the reduction polynomial
 * @param generator of the multiplicative group
 */
export function packedField(elementBits: 8 | 16, reduction: number, generator: number): PackedField {
  const lowest = elementBits === 8 ? 0x01010101 : 0x00010001;
  const withoutTop = elementBits === 8 ? 0x7f7f7f7f : 0x7fff7fff;
  const order = 2 ** elementBits - 1;

  function scale(word: number, scalar: number): number {
    let product = 0;
    let power = word;
    for (let bit = 0; bit < elementBits; bit++) {
      product ^= power & -((scalar >>> bit) & 1);
      power = ((power & withoutTop) << 1) ^ Math.imul((power >>> (elementBits - 1)) & lowest, reduction);
    }
    return product;
  }

  let tables: { readonly log: Uint16Array; readonly power: Uint16Array } | undefined;
  function logarithms(): { readonly log: Uint16Array; readonly power: Uint16Array } {
    if (tables !== undefined) return tables;
    const log = new Uint16Array(order + 1);
    const power = new Uint16Array(order);
    let element = 1;
    for (let exponent = 0; exponent < order; exponent++) {
      power[exponent] = element;
      log[element] = exponent;
      element = scale(element, generator);
    }
    tables = { log, power };
    return tables;
  }

  function fromExponent(exponent: number): number {
    return logarithms().power[exponent % order] ?? 0;
  }

  return {
    maximumHolders: order,
    scaleAdd(target, scalar, addend) {
      for (let i = 0; i < target.length; i++) target[i] = scale(target[i] ?? 0, scalar) ^ (addend[i] ?? 0);
    },
    addScaled(target, scalar, source) {
      for (let i = 0; i < target.length; i++) target[i] = (target[i] ?? 0) ^ scale(source[i] ?? 0, scalar);
    },
    multiplyPublic(a, b) {
      const { log } = logarithms();
      return a === 0 || b === 0 ? 0 : fromExponent((log[a] ?? 0) + (log[b] ?? 0));
    },
    dividePublic(a, b) {
      const { log } = logarithms();
      return a === 0 ? 0 : fromExponent((log[a] ?? 0) + order - (log[b] ?? 0));
    },
  };
}

/** GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, generator x + 1 (FIPS 197, section 4). */
export const GF256: PackedField = packedField(8, 0x1b, 3);

/** GF(2^16) modulo x^16 + x^12 + x^3 + x + 1, a primitive polynomial, so that x generates (Lidl and Niederreiter, table C). */
export const GF65536: PackedField = packedField(16, 0x100b, 2);

/** The field with room for so many holders: GF(2^8) up to 255, GF(2^16) up to 65 535. */
export function fieldFor(holders: number): PackedField {
  return holders <= GF256.maximumHolders ? GF256 : GF65536;
}
