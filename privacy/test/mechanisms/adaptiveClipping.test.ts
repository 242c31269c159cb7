import t from "tap";
import {
  type AdaptiveClipping,
  clippingReport,
  clippingReportEvent,
  epsilonOf,
  nextClipNorm,
  noisedUnclippedFraction,
  updateNoiseMultiplier,
} from "../../src/index.js";
import { UniformWords } from "../../src/random/words.js";
import { seededRandom } from "../random/seeded.js";

const SETTINGS: AdaptiveClipping = {
  targetQuantile: 0.5,
  learningRate: 0.2,
  countNoiseStdDev: 5,
  expectedCohort: 100,
};

/** Norms e^(x/4) · 3 with x about normal: their median is 3. */
function drawNorm(words: UniformWords): number {
  let x = -6;
  for (let i = 0; i < 12; i++) {
    x += words.next() / 2 ** 32;
  }
  return 3 * Math.exp(x / 4);
}

function lastClips(start: number, settings: AdaptiveClipping, rounds: number, seed: number): number[] {
  const random = seededRandom(seed);
  const words = new UniformWords(random);
  const clips: number[] = [];
  let clip = start;
  for (let round = 0; round < rounds; round++) {
    let sum = 0;
    for (let person = 0; person < settings.expectedCohort; person++) {
      sum += clippingReport(drawNorm(words), clip);
    }
    clip = nextClipNorm(clip, noisedUnclippedFraction(sum, settings, random), settings);
    clips.push(clip);
  }
  return clips.slice(-100);
}

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

for (const [side, start] of [
  ["above", 300],
  ["far above", 1e6],
  ["below", 0.03],
  ["far below", 1e-6],
] as const) {
  t.test(`the clip norm comes to the true median from ${side}, with noise`, async (t) => {
    const clip = average(lastClips(start, SETTINGS, 400, 121));
    t.ok(Math.abs(Math.log(clip / 3)) < 0.05, `${clip}`);
  });
}

t.test("other quantiles are followed too", async (t) => {
  // x is a sum of 12 uniforms less 6: close to normal, whose 80 % quantile is 0.8416.
  const clip = average(lastClips(1, { ...SETTINGS, targetQuantile: 0.8 }, 400, 122));
  t.ok(Math.abs(Math.log(clip / (3 * Math.exp(0.8416 / 4)))) < 0.05, `${clip}`);
});

t.test("the clip falls when too many pass unclipped and rises when too few do", async (t) => {
  t.ok(nextClipNorm(1, 0.9, SETTINGS) < 1);
  t.ok(nextClipNorm(1, 0.1, SETTINGS) > 1);
  t.equal(nextClipNorm(1, 0.5, SETTINGS), 1);
  t.equal(nextClipNorm(2, 1, SETTINGS), 2 * Math.exp(-0.1));
  // Noise beyond the possible fractions moves it no further.
  t.equal(nextClipNorm(2, 7, SETTINGS), nextClipNorm(2, 1, SETTINGS));
  t.equal(nextClipNorm(2, -7, SETTINGS), nextClipNorm(2, 0, SETTINGS));
});

t.test("a norm equal to the clip passes unclipped", async (t) => {
  t.equal(clippingReport(2, 2), 1);
  t.equal(clippingReport(2.0000001, 2), -1);
});

t.test("the noise on the count has the promised standard deviation", async (t) => {
  const random = seededRandom(123);
  const runs = 20_000;
  let squares = 0;
  for (let run = 0; run < runs; run++) {
    const fraction = noisedUnclippedFraction(40, SETTINGS, random);
    squares += ((fraction - 0.7) * SETTINGS.expectedCohort) ** 2;
  }
  // In counts of people σ is countNoiseStdDev = 5; 5 standard deviations of an average of squares.
  t.ok(Math.abs(squares / runs / 25 - 1) < 5 * Math.sqrt(2 / runs), `${squares / runs}`);
});

t.test("updates and reports together cost as much as one Gaussian", async (t) => {
  for (const noiseMultiplier of [0.6, 1, 4]) {
    const update = updateNoiseMultiplier(noiseMultiplier, SETTINGS);
    t.ok(update > noiseMultiplier);
    const both = epsilonOf(
      { type: "Composed", events: [{ type: "Gaussian", noiseMultiplier: update }, clippingReportEvent(SETTINGS)] },
      1e-5,
      "rdp",
    ).epsilon;
    const one = epsilonOf({ type: "Gaussian", noiseMultiplier }, 1e-5, "rdp").epsilon;
    t.ok(Math.abs(both / one - 1) < 1e-12);
  }
  // z = 1 with σ_b = 5 costs half a per cent more noise: (1 − 1/100)^(−1/2).
  t.ok(Math.abs(updateNoiseMultiplier(1, SETTINGS) - 1.0050378152592121) < 1e-12);
});

t.test("hostile settings are refused", async (t) => {
  t.throws(() => updateNoiseMultiplier(10, SETTINGS), { code: "INVALID_PARAMETER" });
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => nextClipNorm(bad, 0.5, SETTINGS), { code: "INVALID_PARAMETER" });
    t.throws(() => nextClipNorm(1, 0.5, { ...SETTINGS, learningRate: bad }), { code: "INVALID_PARAMETER" });
    t.throws(() => nextClipNorm(1, 0.5, { ...SETTINGS, targetQuantile: bad }), { code: "INVALID_PARAMETER" });
    t.throws(() => noisedUnclippedFraction(1, { ...SETTINGS, countNoiseStdDev: bad }, seededRandom(1)), {
      code: "INVALID_PARAMETER",
    });
    t.throws(() => noisedUnclippedFraction(1, { ...SETTINGS, expectedCohort: bad }, seededRandom(1)), {
      code: "INVALID_PARAMETER",
    });
  }
  t.throws(() => nextClipNorm(1, Number.NaN, SETTINGS), { code: "INVALID_PARAMETER" });
  t.throws(() => noisedUnclippedFraction(0.5, SETTINGS, seededRandom(1)), { code: "INVALID_PARAMETER" });
});
