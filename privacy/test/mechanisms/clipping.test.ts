import fc from "fast-check";
import t from "tap";
import { clipL2, normL2 } from "../../src/index.js";

t.test("a vector within the norm is left as it is", async (t) => {
  const values = Float32Array.of(3, -4);
  t.same(clipL2(values, 5), { norm: 5, clipped: false });
  t.same(Array.from(values), [3, -4]);
});

t.test("a longer vector keeps its direction and gets the norm", async (t) => {
  const values = Float32Array.of(30, -40);
  t.same(clipL2(values, 2.5), { norm: 50, clipped: true });
  t.same(
    Array.from(values).map((value) => Math.round(value * 1e6) / 1e6),
    [1.5, -2],
  );
});

t.test("after clipping the norm, in doubles, is never above the clip norm", async () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 50 }),
      fc.double({ min: 1e-30, max: 1e30, noNaN: true }),
      (numbers, clipNorm) => {
        const values = Float32Array.from(numbers);
        clipL2(values, clipNorm);
        return normL2(values) <= clipNorm;
      },
    ),
    { seed: 41, numRuns: 1000 },
  );
});

t.test("values that are not finite are refused by position", async (t) => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    t.throws(() => clipL2(Float32Array.of(1, bad), 1), { code: "NON_FINITE", message: /Entry 1/ });
  }
});

t.test("a clip norm must be a positive number", async (t) => {
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => clipL2(Float32Array.of(1), bad), { code: "INVALID_PARAMETER" });
  }
});
