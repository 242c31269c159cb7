import fc from "fast-check";
import t from "tap";
import { packedBytes, packSigned, unpackSigned } from "../../src/index.js";

/** The definition, bit by bit. */
function packSlowly(values: Int32Array, bits: number): Uint8Array {
  const out = new Uint8Array(Math.ceil((values.length * bits) / 8));
  values.forEach((value, i) => {
    for (let bit = 0; bit < bits; bit++) {
      const at = i * bits + bit;
      out[at >> 3] = (out[at >> 3] ?? 0) | (((value >> bit) & 1) << (at & 7));
    }
  });
  return out;
}

t.test("packing equals its definition and unpacking inverts it, for every width", async (t) => {
  for (let bits = 2; bits <= 32; bits++) {
    const low = -(2 ** (bits - 1));
    const high = 2 ** (bits - 1) - 1;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: low, max: high }), { maxLength: 40 }), (numbers) => {
        const values = Int32Array.from([low, high, -1, 0, ...numbers]);
        const packed = packSigned(values, bits);
        t.equal(packed.length, packedBytes(values.length, bits));
        return (
          packed.join() === packSlowly(values, bits).join() &&
          unpackSigned(packed, values.length, bits).join() === values.join()
        );
      }),
      { seed: 71, numRuns: 50 },
    );
  }
});

t.test("a known vector", async (t) => {
  // 3, −1, −4 in 3 bits are 011, 111, 100: bits 110 111 001 from the lowest on.
  t.same(Array.from(packSigned(Int32Array.of(3, -1, -4), 3)), [0b00111011, 0b1]);
});

t.test("values that do not fit are refused by position", async (t) => {
  t.throws(() => packSigned(Int32Array.of(0, 128), 8), { code: "OUT_OF_RANGE", message: /Entry 1/ });
  t.throws(() => packSigned(Int32Array.of(-129), 8), { code: "OUT_OF_RANGE" });
  t.same(Array.from(packSigned(Int32Array.of(-128, 127), 8)), [0x80, 0x7f]);
});

t.test("wrong lengths, padding bits and widths are refused", async (t) => {
  const packed = packSigned(Int32Array.of(1, 2, 3), 5);
  t.equal(packed.length, 2);
  t.throws(() => unpackSigned(packed.subarray(0, 1), 3, 5), { code: "WRONG_LENGTH" });
  t.throws(() => unpackSigned(new Uint8Array(3), 3, 5), { code: "WRONG_LENGTH" });
  packed[1] = (packed[1] ?? 0) | 0x80;
  t.throws(() => unpackSigned(packed, 3, 5), { code: "OUT_OF_RANGE" });
  for (const bits of [1, 33, 2.5, Number.NaN]) {
    t.throws(() => packSigned(Int32Array.of(1), bits), { code: "INVALID_PARAMETER" });
    t.throws(() => unpackSigned(new Uint8Array(1), 1, bits), { code: "INVALID_PARAMETER" });
  }
  for (const length of [-1, 1.5, Number.NaN]) {
    t.throws(() => unpackSigned(new Uint8Array(1), length, 8), { code: "INVALID_PARAMETER" });
  }
});

t.test("nothing packs to nothing", async (t) => {
  t.equal(packSigned(new Int32Array(0), 18).length, 0);
  t.equal(unpackSigned(new Uint8Array(0), 0, 18).length, 0);
});
