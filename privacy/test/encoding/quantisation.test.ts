import fc from "fast-check";
import t from "tap";
import {
  clipL2,
  dequantise,
  integerNormSquared,
  LARGEST_INTEGER_NORM,
  quantisationFor,
  quantise,
  roundedNormBound,
} from "../../src/index.js";
import { seededRandom } from "../random/seeded.js";

t.test("the norm bound after rounding is that of Kairouz, Liu and Steinke", async (t) => {
  // google-research/federated, distributed_dp/accounting_utils.py, for norm 1000 and 2^20 coordinates.
  t.ok(Math.abs(roundedNormBound(1000, 2 ** 20) / 1124.1245482596669 - 1) < 1e-12);
  // One coordinate, large norm: the worst case is the smaller of the two.
  t.equal(roundedNormBound(10, 1, 1e-300), 11);
});

t.test("the quantisation chosen for a bound meets it, and is the finest that does", async (t) => {
  for (const dimension of [1, 10, 1000, 100_000]) {
    for (const bound of [2 ** 15 - 1, 2 ** 17 - 1, LARGEST_INTEGER_NORM]) {
      const q = quantisationFor(3.5, bound, dimension, 32);
      const reached = roundedNormBound(3.5 / q.granularity, dimension);
      t.ok(reached <= bound * (1 + 1e-12) && reached > bound * (1 - 1e-9), `${dimension} ${bound}: ${reached}`);
    }
  }
});

t.test("no rounding exceeds the bound, and each value goes to a neighbouring integer", async () => {
  const random = seededRandom(61);
  fc.assert(
    fc.property(fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 1, maxLength: 60 }), (numbers) => {
      const q = quantisationFor(1, 63, numbers.length, 7);
      const values = Float32Array.from(numbers);
      clipL2(values, 1);
      const integers = quantise(values, q, random);
      return (
        integerNormSquared(integers) <= 63 * 63 &&
        integers.every((integer, i) => Math.abs(integer - (values[i] ?? 0) / q.granularity) < 1)
      );
    }),
    { seed: 62, numRuns: 500 },
  );
});

t.test("rounding is unbiased, coordinate by coordinate", async (t) => {
  const values = Float32Array.of(0.3, -0.3, 0.05, 0, 0.7001);
  const q = { granularity: 0.2, integerNormBound: 1000, bits: 16 };
  const random = seededRandom(63);
  const sums = new Float64Array(values.length);
  const runs = 40_000;
  for (let run = 0; run < runs; run++) {
    quantise(values, q, random).forEach((integer, i) => {
      sums[i] = (sums[i] ?? 0) + integer;
    });
  }
  sums.forEach((sum, i) => {
    const fraction = (values[i] ?? 0) / q.granularity - Math.floor((values[i] ?? 0) / q.granularity);
    const deviation = Math.sqrt(runs * fraction * (1 - fraction));
    // 5 standard deviations of a binomial: false-alarm rate 6e-7 each.
    t.ok(Math.abs(sum - (runs * (values[i] ?? 0)) / q.granularity) <= 5 * deviation + 1e-3 * runs * 0.001, `${i}`);
  });
});

t.test("integers times the granularity are the values again", async (t) => {
  const q = quantisationFor(1, 2 ** 17 - 1, 3, 18);
  const values = Float32Array.of(0.5, -0.25, 0.125);
  const back = dequantise(Float64Array.from(quantise(values, q, seededRandom(64))), q);
  back.forEach((value, i) => {
    t.ok(Math.abs(value - (values[i] ?? 0)) <= q.granularity * 1.0001);
  });
});

t.test("a vector that is too long, or not a vector of numbers, is refused", async (t) => {
  const q = quantisationFor(1, 127, 2, 8);
  t.throws(() => quantise(Float32Array.of(2, 2), q, seededRandom(1)), { code: "NORM_EXCEEDED" });
  t.throws(() => quantise(Float32Array.of(1, Number.NaN), q, seededRandom(1)), { code: "NON_FINITE" });
  t.throws(() => quantise(Float32Array.of(1, Number.POSITIVE_INFINITY), q, seededRandom(1)), {
    code: "NORM_EXCEEDED",
  });
  // Within the norm as a real vector, but every rounding of it is longer than the bound.
  const odd = { granularity: 1, integerNormBound: 0.9, bits: 8 };
  t.throws(() => quantise(Float32Array.of(0.89999, 0.0001), odd, { fill: (bytes) => bytes.fill(0) }), {
    code: "NORM_EXCEEDED",
  });
  t.throws(() => quantise(Float32Array.of(1), { ...q, granularity: 0 }, seededRandom(1)), {
    code: "INVALID_PARAMETER",
  });
});

t.test("integer norms are exact up to 2^53 and refused beyond", async (t) => {
  t.equal(integerNormSquared(Int32Array.of(3, -4, 12)), 169);
  t.equal(integerNormSquared(Int32Array.of(LARGEST_INTEGER_NORM)), LARGEST_INTEGER_NORM ** 2);
  t.throws(() => integerNormSquared(Int32Array.of(LARGEST_INTEGER_NORM + 1)), { code: "OUT_OF_RANGE" });
  t.throws(() => integerNormSquared(Int32Array.of(-(2 ** 31), 2 ** 31 - 1)), { code: "OUT_OF_RANGE" });
  t.throws(() => integerNormSquared(new Int32Array(100).fill(20_000_000)), { code: "OUT_OF_RANGE" });
  fc.assert(
    fc.property(fc.int32Array({ maxLength: 30 }), (values) => {
      const exact = values.reduce((sum, value) => sum + BigInt(value) * BigInt(value), 0n);
      if (exact >= 2n ** 53n) {
        return true;
      }
      return BigInt(integerNormSquared(values)) === exact;
    }),
    { seed: 65 },
  );
});
