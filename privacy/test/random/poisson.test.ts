import t from "tap";
import { fillPoisson, fillSkellam, PoissonSampler, SkellamSampler } from "../../src/index.js";
import { chiSquare } from "./distribution.js";
import { logOfFactorial, skellamProbability } from "./poissonProbability.js";
import { seededRandom } from "./seeded.js";

/** Scores are close to standard normal; with a fixed seed each check has a false-alarm rate of 3e-7 (5 sigma). */
const LIMIT = 5;

t.test("Poisson samples follow their distribution, for small and large means", async (t) => {
  for (const [seed, mean, count] of [
    [301, 1e-3, 200_000],
    [302, 0.7, 500_000],
    [303, 1, 500_000],
    [304, 12.25, 500_000],
    [305, 1000.5, 500_000],
    [306, 4095.9, 500_000],
    [307, 4096.1, 500_000],
    [308, 250_000, 1_000_000],
  ] as const) {
    const out = new Float64Array(count);
    fillPoisson(out, mean, seededRandom(seed));
    t.ok(
      out.every((value) => Number.isInteger(value) && value >= 0),
      "natural numbers",
    );
    const mode = Math.floor(mean);
    const probability = (x: number): number =>
      x + mode < 0 ? 0 : Math.exp((x + mode) * Math.log(mean) - mean - logOfFactorial(x + mode));
    const centred = out.map((value) => value - mode);
    const { score, degreesOfFreedom } = chiSquare(centred, probability, Math.ceil(6 * Math.sqrt(mean) + 6));
    t.ok(score < LIMIT, `mean ${mean}: ${score.toFixed(2)} over ${degreesOfFreedom} degrees of freedom`);
  }
});

t.test("an enormous mean keeps mean and variance", async (t) => {
  const mean = 2 ** 43 + 0.25;
  const out = new Float64Array(400_000);
  fillPoisson(out, mean, seededRandom(309));
  const deviation = Math.sqrt(mean);
  let sum = 0;
  let squares = 0;
  for (const value of out) {
    const z = (value - mean) / deviation;
    sum += z;
    squares += z * z;
  }
  t.ok(Math.abs(sum / out.length) < LIMIT / Math.sqrt(out.length), `${sum / out.length}`);
  t.ok(Math.abs(squares / out.length - 1) < LIMIT * Math.sqrt(2 / out.length), `${squares / out.length}`);
});

t.test("Skellam samples follow their distribution", async (t) => {
  for (const [seed, noiseStdDev] of [
    [311, 0.2],
    [312, 1],
    [313, 2.5],
    [314, 30],
  ] as const) {
    const out = new Int32Array(500_000);
    fillSkellam(out, noiseStdDev, seededRandom(seed));
    const { score, degreesOfFreedom } = chiSquare(out, skellamProbability(noiseStdDev), Math.ceil(6 * noiseStdDev + 3));
    t.ok(score < LIMIT, `σ ${noiseStdDev}: ${score.toFixed(2)} over ${degreesOfFreedom} degrees of freedom`);
  }
});

t.test("the standard deviation of Skellam samples is the one asked for, at every size", async (t) => {
  for (const [seed, noiseStdDev] of [
    [321, 100],
    [322, 10_000],
    [323, 1_000_000],
  ] as const) {
    const out = new Float64Array(400_000);
    fillSkellam(out, noiseStdDev, seededRandom(seed));
    const squares = out.reduce((sum, value) => sum + (value / noiseStdDev) ** 2, 0) / out.length;
    const mean = out.reduce((sum, value) => sum + value / noiseStdDev, 0) / out.length;
    t.ok(Math.abs(squares - 1) < LIMIT * Math.sqrt(2 / out.length), `${squares}`);
    t.ok(Math.abs(mean) < LIMIT / Math.sqrt(out.length), `${mean}`);
  }
});

t.test("ratios of the density agree with products of integers, where series take over from tables", async (t) => {
  // A sampler of the same bits as another with nearly the same mean gives nearly the same samples on both sides.
  const below = new Float64Array(20_000);
  const above = new Float64Array(20_000);
  fillPoisson(below, 4095.999999, seededRandom(331));
  fillPoisson(above, 4096, seededRandom(331));
  const different = below.filter((value, i) => value !== above[i]).length;
  t.ok(different <= 20, `${different} of 20000 differ`);
});

t.test("hostile parameters are refused", async (t) => {
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 45]) {
    t.throws(() => new PoissonSampler(bad, seededRandom(1)), { code: "INVALID_PARAMETER" });
    t.throws(() => new SkellamSampler(bad, seededRandom(1)), { code: "INVALID_PARAMETER" });
  }
  t.throws(() => new SkellamSampler(1e-300, seededRandom(1)), { code: "INVALID_PARAMETER" });
  t.throws(() => fillPoisson(new Int32Array(1), 1e10, seededRandom(1)), { code: "OUT_OF_RANGE" });
  const integers = new Int32Array(10);
  fillSkellam(integers, 1e5, seededRandom(1));
  t.ok(
    integers.some((value) => value !== 0),
    "differences fit 32 bits where their parts do not",
  );
});
