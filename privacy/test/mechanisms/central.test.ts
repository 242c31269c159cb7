import t from "tap";
import {
  addCentralNoise,
  centralGaussian,
  clipL2,
  dequantise,
  epsilonOf,
  integerNormSquared,
  quantise,
} from "../../src/index.js";
import { chiSquare, discreteGaussianProbability } from "../random/distribution.js";
import { seededRandom } from "../random/seeded.js";

t.test("noise is calibrated from the clip norm: multiplier times the integer norm bound", async (t) => {
  for (const noiseMultiplier of [0.4, 1, 3.25]) {
    const mechanism = centralGaussian({ clipNorm: 2.5, noiseMultiplier, bits: 18, dimension: 1000 });
    t.equal(mechanism.quantisation.integerNormBound, 2 ** 17 - 1);
    t.equal(mechanism.noiseStdDev, noiseMultiplier * (2 ** 17 - 1));
    t.same(mechanism.event, {
      type: "DiscreteGaussian",
      sigma: mechanism.noiseStdDev,
      sensitivity: 2 ** 17 - 1,
      dimension: 1000,
    });
    // In real units the noise is noiseMultiplier · clipNorm, but for what rounding adds to the sensitivity.
    const real = mechanism.noiseStdDev * mechanism.quantisation.granularity;
    t.ok(real > noiseMultiplier * 2.5 && real < noiseMultiplier * 2.5 * 1.0001, `${real}`);
  }
});

t.test("one release costs what a Gaussian of that multiplier costs in Rényi terms", async (t) => {
  for (const noiseMultiplier of [0.7, 2, 5]) {
    const { event } = centralGaussian({ clipNorm: 1, noiseMultiplier, bits: 16, dimension: 10 });
    const gaussian = epsilonOf({ type: "Gaussian", noiseMultiplier }, 1e-5, "rdp").epsilon;
    t.ok(Math.abs(epsilonOf(event, 1e-5, "rdp").epsilon / gaussian - 1) < 1e-12);
  }
});

t.test("the noise added to a sum has the promised distribution, at sigma other than 1", async (t) => {
  const mechanism = centralGaussian({ clipNorm: 1, noiseMultiplier: 0.37, bits: 10, dimension: 300_000 - 290_000 });
  const sum = new Float64Array(500_000).fill(12_345);
  addCentralNoise(sum, mechanism, seededRandom(51));
  const noise = sum.map((value) => value - 12_345);
  const { score } = chiSquare(noise, discreteGaussianProbability(mechanism.noiseStdDev), 1200);
  // Standard normal under the right distribution: false-alarm rate 3e-7.
  t.ok(score < 5, `${score}`);
});

t.test("the whole path keeps the average of clipped updates within the noise", async (t) => {
  const dimension = 400;
  const people = 200;
  const mechanism = centralGaussian({ clipNorm: 1, noiseMultiplier: 0.5, bits: 18, dimension });
  const random = seededRandom(52);
  const sum = new Float64Array(dimension);
  for (let person = 0; person < people; person++) {
    const update = Float32Array.from({ length: dimension }, (_, i) => Math.sin(i + person / 100) * 10);
    clipL2(update, mechanism.clipNorm);
    const integers = quantise(update, mechanism.quantisation, random);
    t.ok(Math.sqrt(integerNormSquared(integers)) <= mechanism.quantisation.integerNormBound);
    for (let i = 0; i < dimension; i++) {
      sum[i] = (sum[i] ?? 0) + (integers[i] ?? 0);
    }
  }
  const clean = dequantise(sum, mechanism.quantisation);
  addCentralNoise(sum, mechanism, random);
  const noisy = dequantise(sum, mechanism.quantisation);
  const squared = noisy.reduce((total, value, i) => total + (value - (clean[i] ?? 0)) ** 2, 0);
  // Σ noise² / σ² is chi-squared with 400 degrees of freedom: 5 standard deviations are 141.
  t.ok(Math.abs(squared / (0.5 * 0.5) - dimension) < 141, `${squared}`);
});

t.test("a sum that is not made of integers, or too large, is refused before anything changes", async (t) => {
  const mechanism = centralGaussian({ clipNorm: 1, noiseMultiplier: 1, bits: 16, dimension: 2 });
  for (const bad of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    const sum = Float64Array.of(7, bad);
    t.throws(() => addCentralNoise(sum, mechanism, seededRandom(1)), { code: "OUT_OF_RANGE" });
    t.equal(sum[0], 7);
  }
});

t.test("too few bits for the dimension, and hostile parameters, are refused", async (t) => {
  t.throws(() => centralGaussian({ clipNorm: 1, noiseMultiplier: 1, bits: 8, dimension: 1_000_000 }), {
    code: "OUT_OF_RANGE",
  });
  for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => centralGaussian({ clipNorm: bad, noiseMultiplier: 1, bits: 16, dimension: 2 }), {
      code: "INVALID_PARAMETER",
    });
    t.throws(() => centralGaussian({ clipNorm: 1, noiseMultiplier: bad, bits: 16, dimension: 2 }), {
      code: "INVALID_PARAMETER",
    });
  }
  for (const bits of [1, 33, 2.5]) {
    t.throws(() => centralGaussian({ clipNorm: 1, noiseMultiplier: 1, bits, dimension: 2 }), {
      code: "INVALID_PARAMETER",
    });
  }
});
