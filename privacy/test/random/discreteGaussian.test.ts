import t from "tap";
import {
  DiscreteGaussianSampler,
  fillDiscreteGaussian,
  PrivacyError,
  rationalFromNumber,
  sampleDiscreteGaussian,
  sampleDiscreteLaplace,
} from "../../src/index.js";
import { EXP_NEGATIVE_ERROR, expNegative, expNegativeInterval } from "../../src/numerics/expNegative.js";
import { liesBelow } from "../../src/random/staircase.js";
import { UniformWords } from "../../src/random/words.js";
import { chiSquare, discreteGaussianProbability } from "./distribution.js";
import { scriptedRandom, seededRandom } from "./seeded.js";

/** Scores are close to standard normal; with a fixed seed each check below has a false-alarm rate of 3e-7 (5 sigma). */
const LIMIT = 5;

t.test("exact discrete Gaussian samples follow their distribution", async (t) => {
  for (const [seed, sigma] of [
    [1, 0.5],
    [2, 1],
    [3, 2.75],
    [4, 20],
  ] as const) {
    const random = seededRandom(seed);
    const rational = rationalFromNumber(sigma);
    const samples = Array.from({ length: 20_000 }, () => Number(sampleDiscreteGaussian(rational, random)));
    const { score, degreesOfFreedom } = chiSquare(samples, discreteGaussianProbability(sigma), Math.ceil(6 * sigma));
    t.ok(score < LIMIT, `sigma ${sigma}: ${score.toFixed(2)} over ${degreesOfFreedom} degrees of freedom`);
  }
});

t.test("exact discrete Laplace samples follow their distribution", async (t) => {
  for (const [seed, numerator, denominator] of [
    [5, 1n, 1n],
    [6, 7n, 2n],
    [7, 1n, 3n],
  ] as const) {
    const random = seededRandom(seed);
    const scale = Number(numerator) / Number(denominator);
    const samples = Array.from({ length: 20_000 }, () =>
      Number(sampleDiscreteLaplace({ numerator, denominator }, random)),
    );
    const normaliser = (1 + Math.exp(-1 / scale)) / (1 - Math.exp(-1 / scale));
    const { score } = chiSquare(samples, (x) => Math.exp(-Math.abs(x) / scale) / normaliser, Math.ceil(12 * scale));
    t.ok(score < LIMIT, `scale ${scale}: ${score.toFixed(2)}`);
  }
});

t.test("batched samples follow the same distribution, for small, middling and large sigma", async (t) => {
  for (const [seed, sigma, reach] of [
    [11, 0.01, 2],
    [12, 0.3, 4],
    [13, 1, 7],
    [14, 3.7, 24],
    [15, 37.93, 240],
    [16, 37.94, 240],
    [17, 100, 640],
    [18, 10_000, 64_000],
  ] as const) {
    const out = new Float64Array(1_000_000);
    fillDiscreteGaussian(out, sigma, seededRandom(seed));
    t.ok(out.every(Number.isInteger), "integers");
    const { score, degreesOfFreedom } = chiSquare(out, discreteGaussianProbability(sigma), reach);
    t.ok(score < LIMIT, `sigma ${sigma}: ${score.toFixed(2)} over ${degreesOfFreedom} degrees of freedom`);
  }
});

t.test("an enormous sigma keeps mean and variance", async (t) => {
  const sigma = 2 ** 41 + 0.5;
  const out = new Float64Array(400_000);
  fillDiscreteGaussian(out, sigma, seededRandom(19));
  let sum = 0;
  let squares = 0;
  for (const value of out) {
    sum += value / sigma;
    squares += (value / sigma) ** 2;
  }
  // Standard deviations of the two averages: 1/√n and √(2/n).
  t.ok(Math.abs(sum / out.length) < LIMIT / Math.sqrt(out.length));
  t.ok(Math.abs(squares / out.length - 1) < LIMIT * Math.sqrt(2 / out.length));
});

t.test("both array types receive the same samples from the same bits", async (t) => {
  const doubles = new Float64Array(1000);
  const integers = new Int32Array(1000);
  fillDiscreteGaussian(doubles, 12.5, seededRandom(20));
  fillDiscreteGaussian(integers, 12.5, seededRandom(20));
  t.same(Array.from(integers), Array.from(doubles));
});

t.test("a 32-bit array is refused where a sample might not fit", async (t) => {
  const sampler = new DiscreteGaussianSampler(1e9, seededRandom(21));
  t.throws(() => sampler.fill(new Int32Array(1)), { code: "OUT_OF_RANGE" });
});

t.test("hostile noise parameters are refused", async (t) => {
  for (const sigma of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 46]) {
    t.throws(() => fillDiscreteGaussian(new Float64Array(1), sigma, seededRandom(1)), { code: "INVALID_PARAMETER" });
  }
  for (const [numerator, denominator] of [
    [0n, 1n],
    [-1n, 1n],
    [1n, 0n],
    [1n, -1n],
  ] as const) {
    t.throws(() => sampleDiscreteGaussian({ numerator, denominator }, seededRandom(1)), PrivacyError);
  }
  t.throws(() => rationalFromNumber(Number.NaN), { code: "INVALID_PARAMETER" });
});

t.test("a tiny sigma gives zeros, and does not hang", async (t) => {
  const out = new Float64Array(1000);
  fillDiscreteGaussian(out, 1e-300, seededRandom(22));
  t.ok(out.every((value) => value === 0));
});

t.test("a double becomes exactly that rational", async (t) => {
  t.same(rationalFromNumber(0.75), { numerator: 3n, denominator: 4n });
  t.same(rationalFromNumber(-6), { numerator: -6n, denominator: 1n });
  t.same(rationalFromNumber(5e-324).denominator, 1n << 1074n);
  for (const value of [0.1, 1 / 3, 123_456.789, 2 ** 60 + 2 ** 9]) {
    const { numerator, denominator } = rationalFromNumber(value);
    t.equal(Number(numerator) / Number(denominator), value);
  }
});

t.test("the fast exponential is within its stated error of the exact interval", async (t) => {
  let worst = 0;
  for (let k = 0; k <= 1000; k++) {
    const y = (k * 128) / 1000;
    const { low, high, bits } = expNegativeInterval(rationalFromNumber(y), 260);
    if (high - low >= 1n << 60n) {
      t.fail(`the interval of exp(-${y}) is wide`);
    }
    worst = Math.max(worst, Math.abs(expNegative(y) / (Number(low) / 2 ** bits) - 1));
  }
  t.ok(worst <= EXP_NEGATIVE_ERROR, `${worst}`);
});

t.test("the interval of an exponential contains it and narrows with the bits asked for", async (t) => {
  for (const [numerator, denominator] of [
    [0n, 1n],
    [1n, 1n],
    [1n, 3n],
    [355n, 113n],
    [90n, 1n],
  ] as const) {
    const truth = Math.exp(-Number(numerator) / Number(denominator));
    for (const bits of [64, 128, 512]) {
      const interval = expNegativeInterval({ numerator, denominator }, bits);
      const low = Number((interval.low << 64n) >> BigInt(interval.bits)) / 2 ** 64;
      t.ok(Math.abs(low - truth) <= 2 ** -52, `exp(-${numerator}/${denominator}) at ${bits} bits`);
      t.ok(interval.high >= interval.low);
      t.ok(interval.high - interval.low < 1n << BigInt(interval.bits - bits), "width below 2^-bits");
    }
  }
});

t.test("undecided comparisons are settled by integers, on the right side of a nearby number", async (t) => {
  // The ratio exp(−1/2)/1 to 160 bits; prefixes just below and just above it must fall to the two sides.
  const half = { numerator: 1n, denominator: 2n };
  const ratio = { density: 1n, weight: 1n, ratio: (bits: number) => expNegativeInterval(half, bits) };
  const { low, bits } = expNegativeInterval(half, 200);
  const exact160 = low >> BigInt(bits - 160);
  const words = (word: number): UniformWords => new UniformWords(scriptedRandom([word]), 4);
  t.equal(liesBelow({ prefix: exact160 - 1n, prefixBits: 160 }, ratio, words(0)), true);
  t.equal(liesBelow({ prefix: exact160 + 1n, prefixBits: 160 }, ratio, words(0)), false);
  // Sharing all 53 first bits with the ratio, the continuation decides: all zeros is below, all ones above.
  const first53 = exact160 >> 107n;
  t.equal(liesBelow({ prefix: first53, prefixBits: 53 }, ratio, words(0)), true);
  t.equal(liesBelow({ prefix: first53, prefixBits: 53 }, ratio, words(0xffffffff)), false);
});
