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
        const { rmse = Number.NaN, examples } = metricReader("rmse")(reported, { centre, countScale: scale }, 0);
        const expected = Math.sqrt(all.reduce((sum, error) => sum + error ** 2, 0) / all.length);
        return Math.abs(rmse - expected) < 1e-2 && examples === all.length;
      },
    ),
    { seed: 31, numRuns: 200 },
  );
});

t.test("rmse of nothing but noise is no root of a negative number", async (t) => {
  t.match(metricReader("rmse")(Float32Array.of(-1e6, 3), { centre: 1 }, 0), { rmse: 0 });
});

t.test("mean and ranking divide sums by the count, and none gives the sum itself", async (t) => {
  t.same(metricReader("mean")(Float32Array.of(6, 4), {}, 0), { mean: 1.5, examples: 4 });
  t.same(metricReader("ranking")(Float32Array.of(6, 4, 8), {}, 0), { hitRate: 0.75, ndcg: 0.5, examples: 8 });
  t.same(metricReader("none")(Float32Array.of(6, 4, -1), {}, 0), { 0: 6, 1: 4, 2: -1 });
  t.throws(() => metricReader("median"), { code: "BAD_PLAN" });
});

t.test(
  "auc reads two histograms of scores, with an interval that noise widens, and nothing where it hides all",
  async (t) => {
    const sum = Float32Array.of(10, 30, 60, 60, 30, 10);
    const exact = metricReader("auc")(sum, {}, 0);
    // By hand: 30·60 + 60·90 pairs won, half of 600 + 900 + 600 ties; within the middle bin (50·30/2 + 50·30/2)/12/10⁴ more.
    const bend = (25 * 30 + 25 * 30) / 12;
    t.ok(Math.abs((exact.auc ?? 0) - (30 * 60 + 60 * 90 + 1_050 + bend) / 1e4) < 1e-9, `${exact.auc}`);
    t.ok((exact.calibrationGap ?? 1) < 1e-6 + 0.5 && (exact.averagePrecision ?? 0) > 0.7);
    const noised = metricReader("auc")(sum, {}, 9);
    t.ok((noised.aucLow ?? 1) < (exact.aucLow ?? 0) && (noised.aucHigh ?? 0) > (exact.aucHigh ?? 1));
    t.same(metricReader("auc")(sum, {}, 1e6), {});
  },
);
