import fc from "fast-check";
import t from "tap";
import { metricReader } from "../../src/rounds/metrics.js";

t.test("rmse undoes the centre and the scale that the devices applied", async () => {
  const errors = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(
      errors,
      fc.double({ min: 0.1, max: 3, noNaN: true }),
      fc.constantFrom(0.25, 1, 4),
      (all, centre, scale) => {
        const excess = all.reduce((sum, error) => sum + error ** 2 - centre, 0);
        const reported = Float32Array.of(excess, scale * all.length);
        const { rmse = Number.NaN, examples } = metricReader("rmse")(reported, { centre, countScale: scale });
        const expected = Math.sqrt(all.reduce((sum, error) => sum + error ** 2, 0) / all.length);
        return Math.abs(rmse - expected) < 1e-2 && examples === all.length;
      },
    ),
    { seed: 31, numRuns: 200 },
  );
});

t.test("rmse of nothing but noise is no root of a negative number", async (t) => {
  t.match(metricReader("rmse")(Float32Array.of(-1e6, 3), { centre: 1 }), { rmse: 0 });
});

t.test("mean divides the sum by the count, and none gives the sum itself", async (t) => {
  t.same(metricReader("mean")(Float32Array.of(6, 4), {}), { mean: 1.5, examples: 4 });
  t.same(metricReader("none")(Float32Array.of(6, 4, -1), {}), { 0: 6, 1: 4, 2: -1 });
  t.throws(() => metricReader("median"), { code: "BAD_PLAN" });
});
