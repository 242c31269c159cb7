import fc from "fast-check";
import t from "tap";
import {
  type DistributedNoise,
  type DistributedParameters,
  decodeDistributed,
  distributedMechanism,
  encodeDistributed,
  epsilonOf,
  gaussianEpsilon,
  rdpAccountant,
  roundedNormBound,
} from "../../src/index.js";
import { seededRandom } from "../random/seeded.js";

const SEED: Uint8Array = Uint8Array.from({ length: 32 }, (_, i) => 7 * i);
const NOISES: readonly DistributedNoise[] = ["discrete-gaussian", "skellam"];

const BASE: Omit<DistributedParameters, "noise"> = {
  clipNorm: 2,
  noiseMultiplier: 0.6,
  bits: 18,
  dimension: 300,
  cohort: 50,
  corruptFraction: 0,
  dropoutFraction: 0.1,
};

/** Sum of all devices' vectors modulo 2^bits, with representatives anywhere. */
function modularSum(vectors: readonly Int32Array[], bits: number): Float64Array {
  const modulus = 2 ** bits;
  const sum = new Float64Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) {
    vector.forEach((value, i) => {
      sum[i] = ((sum[i] ?? 0) + value) % modulus;
    });
  }
  return sum;
}

for (const noise of NOISES) {
  t.test(`${noise}: the decoded sum is the sum of the clipped updates plus the promised noise`, async (t) => {
    const mechanism = distributedMechanism({ ...BASE, noise, dimension: 3000 });
    t.equal(mechanism.length, 4096);
    const random = seededRandom(411);
    const expected = new Float64Array(3000);
    const vectors: Int32Array[] = [];
    for (let device = 0; device < BASE.cohort; device++) {
      // Norm about 1.9: within the clip.
      const update = Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i * 0.7 + device) * 0.049);
      update.forEach((value, i) => {
        expected[i] = (expected[i] ?? 0) + value;
      });
      const encoded = encodeDistributed(update, mechanism, SEED, random);
      t.ok(encoded.every((value) => Math.abs(value) <= mechanism.valueBound));
      vectors.push(encoded);
    }
    const decoded = decodeDistributed(modularSum(vectors, BASE.bits), mechanism, SEED);
    const squared = decoded.reduce((sum, value, i) => sum + (value - (expected[i] ?? 0)) ** 2, 0) / 3000;
    // All 50 devices noised: 50/45 of the guaranteed variance, and rounding adds at most n/4 steps² a coordinate.
    const promised = (50 / mechanism.honestSurvivors) * (0.6 * 2) ** 2;
    const { granularity } = mechanism.quantisation;
    const rounding = (BASE.cohort / 4) * granularity * granularity;
    const spread = 5 * Math.sqrt(2 / 3000);
    t.ok(squared > promised * (1 - spread), `${squared} for ${promised}`);
    t.ok(squared < (promised * 1.01 + rounding) * (1 + spread), `${squared} for ${promised}`);
  });

  t.test(`${noise}: one device's vector is integers around its rotated update, of the promised spread`, async (t) => {
    const mechanism = distributedMechanism({ ...BASE, noise, dimension: 60_000 });
    const encoded = encodeDistributed(new Float32Array(60_000), mechanism, SEED, seededRandom(412));
    const variance = encoded.reduce((sum, value) => sum + value * value, 0) / encoded.length;
    // A zero update rounds to zero: only noise is left. 5 standard deviations of an average of squares.
    const observed = variance / mechanism.deviceNoiseStdDev ** 2;
    t.ok(Math.abs(observed - 1) < 5 * Math.sqrt(2 / encoded.length), `${observed}`);
  });

  t.test(`${noise}: an update longer than the clip counts as its clipped self`, async (t) => {
    const mechanism = distributedMechanism({ ...BASE, noise, cohort: 1, dropoutFraction: 0, noiseMultiplier: 0.01 });
    const update = Float32Array.from({ length: 300 }, (_, i) => (i % 3) * 100);
    const norm = Math.hypot(...update);
    const expected = update.map((value) => (value * 2) / norm);
    const decoded = decodeDistributed(encodeDistributed(update, mechanism, SEED, seededRandom(413)), mechanism, SEED);
    // σ is 0.02 a coordinate; 6 of them.
    t.ok(
      decoded.every(
        (value, i) => Math.abs(value - (expected[i] ?? 0)) < 0.12 + mechanism.quantisation.granularity * 20,
      ),
    );
  });

  t.test(`${noise}: the cost is that of a central Gaussian of the same multiplier, nearly`, async (t) => {
    for (const noiseMultiplier of [0.5, 1, 3]) {
      const { event } = distributedMechanism({ ...BASE, noise, noiseMultiplier });
      for (const accountant of ["rdp", "pld"] as const) {
        const { epsilon } = epsilonOf(event, 1e-6, accountant);
        const central = epsilonOf({ type: "Gaussian", noiseMultiplier }, 1e-6, "rdp").epsilon;
        t.ok(epsilon >= gaussianEpsilon(noiseMultiplier, 1e-6), "no less than the Gaussian's own");
        t.ok(epsilon < central * 1.02, `${accountant} ${noiseMultiplier}: ${epsilon} against ${central}`);
      }
    }
  });
}

t.test("noise is calibrated to the devices that are guaranteed to be honest and to stay", async (t) => {
  for (const [cohort, corruptFraction, dropoutFraction, minimum, honest] of [
    [100, 0, 0, 100, 100],
    [100, 0, 0.1, 90, 90],
    [100, 0.1, 0.1, 90, 80],
    [10, 0.1, 0.1, 9, 8],
    [1000, 1 / 3, 0.05, 950, 617],
    [3, 0, 0.5, 2, 2],
  ] as const) {
    const mechanism = distributedMechanism({ ...BASE, noise: "skellam", cohort, corruptFraction, dropoutFraction });
    t.equal(mechanism.minimumSurvivors, minimum);
    t.equal(mechanism.honestSurvivors, honest);
    const total = mechanism.deviceNoiseStdDev * Math.sqrt(honest);
    t.ok(Math.abs(total / (0.6 * mechanism.quantisation.integerNormBound) - 1) < 1e-12);
  }
});

t.test("at 18 bits the noise for a thousand devices and 2^20 coordinates is within 1.0003 of central", async (t) => {
  const mechanism = distributedMechanism({
    ...BASE,
    noise: "discrete-gaussian",
    noiseMultiplier: 1,
    dimension: 2 ** 20,
    cohort: 1000,
    dropoutFraction: 0,
  });
  const { granularity, integerNormBound } = mechanism.quantisation;
  const inflation = (integerNormBound * granularity) / BASE.clipNorm;
  t.ok(inflation > 1 && inflation < 1.0003, `${inflation}`);
});

t.test("the integer norm bound holds for rotated and rounded updates", async () => {
  const random = seededRandom(421);
  fc.assert(
    fc.property(
      fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 200 }),
      (numbers, cohort) => {
        const setup = { ...BASE, dimension: numbers.length, cohort, noiseMultiplier: 1e-3 };
        const mechanism = distributedMechanism({ ...setup, noise: "discrete-gaussian", bits: 24 });
        const { granularity, integerNormBound } = mechanism.quantisation;
        const likely = roundedNormBound(BASE.clipNorm / granularity, mechanism.length);
        const vector = encodeDistributed(Float32Array.from(numbers), mechanism, SEED, random);
        const norm = Math.hypot(...vector);
        const noise = 6 * mechanism.deviceNoiseStdDev * Math.sqrt(mechanism.length);
        return integerNormBound >= likely * (1 - 1e-12) && norm <= integerNormBound + noise + 20;
      },
    ),
    { seed: 422, numRuns: 200 },
  );
});

t.test("accounting of distributed noise agrees with published code", async (t) => {
  const orders = [...Array.from({ length: 127 }, (_, i) => i + 2), 256];
  const dimension = 2 ** 20;
  const l2Sensitivity = roundedNormBound(1000, dimension);
  // google-research/federated, distributed_dp/accounting_utils.py: it rounds once more for the L1 bound.
  const rounded = roundedNormBound(1000, dimension);
  const l1Sensitivity = rounded * Math.min(Math.sqrt(dimension), rounded);
  for (const [event, expected] of [
    [
      {
        type: "DistributedDiscreteGaussian",
        noiseStdDev: 100,
        devices: 100,
        l1Sensitivity,
        l2Sensitivity,
        dimension,
      },
      2.268029253632423,
    ],
    [{ type: "Skellam", noiseStdDev: 1000, l1Sensitivity, l2Sensitivity }, 2.2680381888138585],
  ] as const) {
    const accountant = rdpAccountant({ orders });
    accountant.compose({ type: "PoissonSampled", samplingProbability: 0.01, event }, 100);
    const { epsilon } = accountant.epsilon(1e-6);
    t.ok(Math.abs(epsilon / expected - 1) < 1e-6, `${event.type}: ${epsilon} for ${expected}`);
  }
});

t.test("too few bits, and hostile parameters, are refused", async (t) => {
  for (const change of [
    { bits: 8, dimension: 1_000_000 },
    { bits: 10, cohort: 100_000 },
    { bits: 12, noiseMultiplier: 1e6 },
  ]) {
    t.throws(() => distributedMechanism({ ...BASE, noise: "skellam", ...change }), { code: "OUT_OF_RANGE" });
  }
  for (const change of [
    { bits: 3 },
    { bits: 33 },
    { clipNorm: 0 },
    { noiseMultiplier: Number.NaN },
    { dimension: 0 },
    { cohort: 0 },
    { corruptFraction: 1 },
    { corruptFraction: -0.1 },
    { dropoutFraction: Number.NaN },
    { cohort: 2, corruptFraction: 0.5, dropoutFraction: 0.5 },
    { wrapStdDevs: 0 },
  ]) {
    t.throws(() => distributedMechanism({ ...BASE, noise: "skellam", ...change }), { code: "INVALID_PARAMETER" });
  }
  const mechanism = distributedMechanism({ ...BASE, noise: "skellam" });
  t.throws(() => encodeDistributed(new Float32Array(301), mechanism, SEED, seededRandom(1)), { code: "WRONG_LENGTH" });
  t.throws(() => decodeDistributed(new Int32Array(300), mechanism, SEED), { code: "WRONG_LENGTH" });
  const bad = new Float32Array(300);
  bad[7] = Number.NaN;
  t.throws(() => encodeDistributed(bad, mechanism, SEED, seededRandom(1)), { code: "NON_FINITE" });
});
