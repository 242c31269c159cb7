import fc from "fast-check";
import t from "tap";
import { GF256, GF65536, type PackedField } from "../../../src/secagg/shamir/field.js";

function product(field: PackedField, a: number, b: number): number {
  const target = Uint32Array.of(a);
  field.scaleAdd(target, b, Uint32Array.of(0));
  return target[0] ?? -1;
}

t.test("products in GF(2^8) are those of FIPS 197, section 4.2", async (t) => {
  t.equal(product(GF256, 0x57, 0x83), 0xc1);
  t.equal(product(GF256, 0x57, 0x13), 0xfe);
  t.equal(product(GF256, 0x53, 0xca), 0x01);
});

/** Schoolbook product over GF(2) followed by division, with no bit trick of the source. */
function schoolbook(a: number, b: number, modulus: bigint, degree: number): number {
  let result = 0n;
  for (let bit = 0n; bit < 16n; bit++) if ((BigInt(b) >> bit) & 1n) result ^= BigInt(a) << bit;
  for (let bit = BigInt(2 * degree); bit >= BigInt(degree); bit--) {
    if ((result >> bit) & 1n) result ^= modulus << (bit - BigInt(degree));
  }
  return Number(result);
}

for (const { name, field, modulus, degree } of [
  { name: "GF(2^8)", field: GF256, modulus: 0x11bn, degree: 8 },
  { name: "GF(2^16)", field: GF65536, modulus: 0x1100bn, degree: 16 },
]) {
  const element = fc.integer({ min: 0, max: 2 ** degree - 1 });

  t.test(`products in ${name} equal the schoolbook's, secret or public`, async () => {
    fc.assert(
      fc.property(element, element, (a, b) => {
        const expected = schoolbook(a, b, modulus, degree);
        return product(field, a, b) === expected && field.multiplyPublic(a, b) === expected;
      }),
      { seed: 20_202, numRuns: 2000 },
    );
  });

  t.test(`division in ${name} undoes multiplication`, async () => {
    fc.assert(
      fc.property(element, fc.integer({ min: 1, max: 2 ** degree - 1 }), (a, b) => {
        return field.dividePublic(field.multiplyPublic(a, b), b) === a;
      }),
      { seed: 20_203, numRuns: 1000 },
    );
  });

  t.test(`the generator of ${name} runs through every element but 0`, async (t) => {
    const seen = new Set<number>();
    for (let a = 1; a < 2 ** degree; a++) seen.add(field.dividePublic(1, a));
    t.equal(seen.size, 2 ** degree - 1);
    t.notOk(seen.has(0));
  });

  t.test(`elements packed into one word of ${name} do not touch each other`, async () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), element, (word, addend, scalar) => {
        const packed = Uint32Array.of(word);
        field.scaleAdd(packed, scalar, Uint32Array.of(addend));
        const other = Uint32Array.of(addend);
        field.addScaled(other, scalar, Uint32Array.of(word));
        const mask = 2 ** degree - 1;
        for (let shift = 0; shift < 32; shift += degree) {
          const expected = product(field, (word >>> shift) & mask, scalar) ^ ((addend >>> shift) & mask);
          if ((((packed[0] ?? 0) >>> shift) & mask) !== expected) return false;
          if ((((other[0] ?? 0) >>> shift) & mask) !== expected) return false;
        }
        return true;
      }),
      { seed: 20_204, numRuns: 500 },
    );
  });
}
