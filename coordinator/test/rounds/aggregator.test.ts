import { packSigned } from "@fedloop/privacy";
import fc from "fast-check";
import t from "tap";
import { type UpdateFormat, UpdateSum, updateBytes } from "../../src/rounds/aggregator.js";

const QUANTISED: UpdateFormat = {
  length: 3,
  encoding: "quantised",
  quantisation: { granularity: 0.5, integerNormBound: 10, bits: 12 },
};
const FLOATS: UpdateFormat = { ...QUANTISED, encoding: "float32" };

function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

t.test("the sum of quantised updates is exact", async () => {
  const update = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(update, { maxLength: 20 }), (updates) => {
      const sum = new UpdateSum(QUANTISED);
      for (const each of updates) sum.add(packSigned(Int32Array.from(each), 12));
      return [...sum.values].every((value, i) => value === updates.reduce((total, each) => total + (each[i] ?? 0), 0));
    }),
    { seed: 2 },
  );
});

t.test("an update longer than the norm bound is refused, and one exactly on it is not", async (t) => {
  const sum = new UpdateSum(QUANTISED);
  sum.add(packSigned(Int32Array.from([6, 8, 0]), 12));
  t.throws(() => sum.add(packSigned(Int32Array.from([6, 8, 1]), 12)), { code: "NORM_EXCEEDED" });
  t.same([...sum.values], [6, 8, 0], "the refused update left no trace");
  t.equal(sum.count, 1);
});

t.test("an update of another length is refused", async (t) => {
  t.equal(updateBytes(QUANTISED), 5);
  t.equal(updateBytes(FLOATS), 12);
  for (const bytes of [0, 4, 6, 1_000]) {
    t.throws(() => new UpdateSum(QUANTISED).add(new Uint8Array(bytes)), { code: "WRONG_LENGTH" });
  }
});

t.test("NaN and infinities anywhere in a float update are refused", async (t) => {
  for (const poison of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    for (let at = 0; at < 3; at++) {
      const values = [1, -2, 3e38];
      values[at] = poison;
      t.throws(() => new UpdateSum(FLOATS).add(floats(...values)), { code: "NON_FINITE" });
    }
  }
  const sum = new UpdateSum(FLOATS);
  sum.add(floats(1, -2, 0.5));
  sum.add(floats(1, 2, 0.25));
  t.same([...sum.values], [2, 0, 0.75]);
});

t.test("unaligned bytes, as they come out of a message, are read right", async (t) => {
  const padded = new Uint8Array(13);
  padded.set(floats(1, 2, 3), 1);
  // A plain array and a Buffer, whose slice() does not copy.
  for (const bytes of [padded, Buffer.from(padded.buffer)]) {
    const sum = new UpdateSum(FLOATS);
    sum.add(bytes.subarray(1));
    t.same([...sum.values], [1, 2, 3]);
  }
});
