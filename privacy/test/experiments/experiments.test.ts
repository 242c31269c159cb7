import t from "tap";
import {
  armMean,
  compareRates,
  confidenceSequence,
  difference,
  fixedTest,
  largestNoise,
  mixtureScale,
  normalPosterior,
  participantsFor,
  pooled,
  powerOf,
  ratePosterior,
  sampleRatio,
} from "../../src/experiments/index.js";
import { chiSquareTail, chiSquareThreshold, weightedChiSquareThreshold } from "../../src/statistics/chiSquare.js";
import { normalQuantile } from "../../src/statistics/normal.js";
import { chance } from "./chance.js";

const near = (found: number, expected: number, by = 1e-3): boolean =>
  Math.abs(found - expected) <= by * Math.abs(expected);

t.test("tails are those of tables (NIST handbook, 1.3.6.7)", async (t) => {
  for (const [degrees, tail, value] of [
    [1, 0.05, 3.841],
    [5, 0.01, 15.086],
    [10, 0.1, 15.987],
    [100, 0.001, 149.449],
    [3, 0.99, 0.115],
  ] as const) {
    t.ok(near(chiSquareTail(value, degrees), tail, 6e-3), `χ² of ${degrees}`);
    t.ok(near(chiSquareThreshold(tail, degrees), value, 3e-3));
  }
  t.ok(near(normalQuantile(0.975), 1.959964, 1e-6));
  t.ok(near(weightedChiSquareThreshold(0.05, 6, 12), 2 * 7.815, 1e-3), "equal weights scale the tail");
});

t.test("without noise the z-test is the textbook's, and noise widens it by its own variance", async (t) => {
  // 200 of 1 000 against 240 of 1 000: unpooled standard error √(.2·.8/1000 + .24·.76/1000).
  const arm = (name: string, rate: number) => ({ arm: name, sums: [1_000, 1_000 * (2 * rate - 1), 1_000] as const });
  const released = (noiseVariance: number) => ({
    arms: [arm("a", 0.2), arm("b", 0.24)],
    lower: 0,
    upper: 1,
    noiseVariance,
  });
  const found = (noiseVariance: number) => {
    const release = released(noiseVariance);
    const [control, other] = release.arms.map((moments) => armMean(moments, release));
    if (control == null || other == null) throw new Error("expected two means");
    return difference(control, other);
  };
  const error = Math.sqrt(0.00016 + 0.0001824);
  t.ok(near(found(0).value, 0.04, 1e-9));
  t.ok(near(found(0).variance, error ** 2, 1e-9));
  t.ok(near(fixedTest(found(0)).pValue, 0.0306, 1e-2));
  const noise = found(400).variance - found(0).variance;
  // Each mean is half of (Σx/n): v/4·(1 + x̄²)/n².
  t.ok(near(noise, (400 / 4 / 1e6) * (2 + 0.6 ** 2 + 0.52 ** 2), 1e-9));
  t.equal(armMean(arm("a", 0.2), { ...released(1e6) }), null, "an arm lost in noise has no mean");
  const twice = pooled([released(4), released(4)]);
  t.same([twice?.noiseVariance, twice?.arms[0]?.sums[0]], [8, 2_000]);
});

t.test("a Bayesian posterior shrinks to the prior, and that of rates agrees with Beta's own", async (t) => {
  const { mean, variance, probabilityBetter, expectedLoss } = normalPosterior({ value: 2, variance: 1 }, 1);
  t.same([mean, variance], [1, 0.5]);
  t.ok(near(probabilityBetter, 0.92135, 1e-4));
  // ∫ max(−d, 0) N(1, ½) by hand: σφ(√2) − Φ(−√2).
  t.ok(near(expectedLoss, Math.SQRT1_2 * 0.146763 - 0.0786496, 1e-3));
  const rate = (count: number, successes: number) => ratePosterior({ sums: [count, 2 * successes - count, count] }, 0);
  // Beta(21, 81) and Beta(31, 71): P(second better) = 0.9476 (by summing both densities over 20 000 points).
  const compared = compareRates(rate(100, 20), rate(100, 30));
  t.ok(Math.abs(compared.probabilityBetter - 0.9476) < 0.004, `${compared.probabilityBetter}`);
  t.ok(near(compared.mean, 10 / 102, 0.02));
  const noised = compareRates(
    ratePosterior({ sums: [100, -60, 100] }, 100),
    ratePosterior({ sums: [100, -40, 100] }, 100),
  );
  t.ok(noised.variance > 1.5 * compared.variance, "noise is in the posterior");
  t.ok(noised.probabilityBetter < compared.probabilityBetter);
});

t.test("a confidence sequence is wider than a fixed interval, narrows, and stops on a clear difference", async (t) => {
  const looks = Array.from({ length: 30 }, () => ({ value: 0.3, variance: 0.04 }));
  const widths = looks.map((_, i) => {
    const [low, high] = confidenceSequence(looks.slice(0, i + 1), { plannedLooks: 30 }).interval;
    return high - low;
  });
  t.ok(widths.every((width, i) => i === 0 || width < (widths[i - 1] ?? 0)));
  const [low, high] = fixedTest({ value: 0.3, variance: 0.04 / 30 }).interval;
  t.ok((widths.at(-1) ?? 0) > high - low);
  t.equal(confidenceSequence(looks, { plannedLooks: 30 }).isDecided, true);
  t.equal(confidenceSequence(looks.slice(0, 1), { plannedLooks: 30 }).isDecided, false);
  const scale = mixtureScale(750, 0.05);
  t.ok(near(scale, 750 / (5.99146 + Math.log(5.99146) + 1), 1e-5));
  t.equal(confidenceSequence([]).pValue, 1);
});

t.test("a sample ratio is tested against its shares, with noise in the spread", async (t) => {
  // Without noise: Pearson's 8²/… of 540 and 460.
  const exact = sampleRatio([540, 460], [0.5, 0.5], 0);
  t.ok(near(exact.statistic, 6.4, 1e-9));
  t.ok(near(exact.pValue, 0.0114, 1e-2));
  t.ok(sampleRatio([540, 460], [0.5, 0.5], 900).pValue > exact.pValue);
  t.equal(sampleRatio([600, 400], [0.5, 0.5], 100).isMismatch, true);
  t.equal(sampleRatio([700, 310], [0.7, 0.3], 25).isMismatch, false);
});

t.test("the power that is planned is the power that is had", async (t) => {
  const planned = { baseline: 0.2, effect: 0.1, privacy: { epsilon: 0.5, delta: 1e-6 } };
  const { participantsPerArm, power, noiseStdDev, costOfPrivacy } = participantsFor(planned);
  t.ok(power >= 0.8 && powerOf(planned, participantsPerArm - 1) < 0.8);
  t.ok(costOfPrivacy > 1.2);
  // Without noise: the textbook's 16·p̄(1−p̄)/δ² or so.
  t.ok(near(participantsFor({ baseline: 0.2, effect: 0.1 }).participantsPerArm, 291, 0.02));
  const draws = chance(11);
  const runs = 1_000;
  let found = 0;
  for (let run = 0; run < runs; run++) {
    const arms = [0.2, 0.3].map((rate, i) => {
      const successes = draws.binomial(participantsPerArm, rate);
      const noised = (value: number): number => value + noiseStdDev * draws.normal();
      return {
        arm: String(i),
        sums: [
          noised(participantsPerArm),
          noised(2 * successes - participantsPerArm),
          noised(participantsPerArm),
        ] as const,
      };
    });
    const release = { arms, lower: 0, upper: 1, noiseVariance: noiseStdDev ** 2 };
    const [control, arm] = arms.map((moments) => armMean(moments, release));
    if (control != null && arm != null && fixedTest(difference(control, arm)).pValue < 0.05) found += 1;
  }
  // A power of exactly 80 % stays within ±5 points in all but one in 12 000 choices of seeds.
  t.ok(Math.abs(found / runs - 0.8) < 0.05, `${found} of ${runs}`);
  t.ok(
    (largestNoise(planned, participantsPerArm) ?? 0) >= noiseStdDev,
    "they bear the noise that they were planned for",
  );
  t.ok((largestNoise(planned, participantsPerArm - 1) ?? 0) < noiseStdDev, "one fewer do not");
  t.ok(
    powerOf({ ...planned, noiseStdDev: noiseStdDev / 2 }, participantsPerArm) > power,
    "with half of it they see more",
  );
  t.equal(largestNoise({ baseline: 0.2, effect: 0.1 }, 100), null, "too few even without noise");
  t.throws(() => participantsFor({ baseline: 0.9, effect: 0.2 }), { code: "INVALID_PARAMETER" });
  t.throws(() => participantsFor({ baseline: 0.9, effect: 0 }), { code: "INVALID_PARAMETER" });
});
