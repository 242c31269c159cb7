import t from "tap";
import {
  bandedSquareRoot,
  CorrelatedNoise,
  type MatrixMechanismParameters,
  type MatrixStrategy,
  matrixMechanism,
  strategyCoefficients,
  toeplitzSensitivity,
} from "../../../src/index.js";
import { chiSquare, discreteGaussianProbability } from "../../random/distribution.js";
import { seededRandom } from "../../random/seeded.js";

const BLT: MatrixStrategy = {
  type: "blt",
  bufferDecay: [0.9999999999921251, 0.9944453083640997, 0.8985923474607591, 0.4912001418098778],
  outputScale: [0.0070314825502323835, 0.10613806907600574, 0.1898159060327625, 0.1966594748073734],
};

function parameters(strategy: MatrixStrategy, dimension: number, steps: number): MatrixMechanismParameters {
  return {
    clipNorm: 1.5,
    noiseMultiplier: 0.7,
    bits: 16,
    dimension,
    strategy,
    steps,
    minSeparation: 4,
    maxParticipations: 3,
  };
}

/** w of every step, in lattice units. */
function runNoise(setup: MatrixMechanismParameters, seed: number): Float64Array[] {
  const mechanism = matrixMechanism(setup);
  const noise = new CorrelatedNoise(mechanism, seededRandom(seed));
  return Array.from({ length: setup.steps }, (_, step) => {
    const sum = new Float64Array(setup.dimension).fill(step);
    noise.addTo(sum);
    return sum.map((value) => (value - step) * 2 ** mechanism.latticeBits);
  });
}

t.test("noise is calibrated to the sensitivity of the strategy, at multipliers other than 1", async (t) => {
  const setup = parameters(BLT, 100, 12);
  const mechanism = matrixMechanism(setup);
  const sensitivity = toeplitzSensitivity(strategyCoefficients(BLT, 12), mechanism.participation);
  const lattice = 2 ** mechanism.latticeBits;
  const shift = sensitivity * mechanism.quantisation.integerNormBound * lattice + 1.5 * Math.sqrt(12 * 100);
  t.ok(Math.abs(mechanism.noiseStdDev / ((0.7 * shift) / sensitivity) - 1) < 1e-12);
  // In real units σ is noiseMultiplier · clipNorm, but for rounding.
  const real = (mechanism.noiseStdDev / lattice) * mechanism.quantisation.granularity;
  t.ok(real > 0.7 * 1.5 && real < 0.7 * 1.5 * 1.002, `${real}`);
  t.equal(mechanism.event.noiseMultiplier, 0.7);
});

for (const [name, strategy] of [
  ["BLT", BLT],
  ["banded", bandedSquareRoot(4)],
  ["banded with alternating signs", { type: "banded", coefficients: [1, -0.4, 0.2] }],
  ["independent", { type: "banded", coefficients: [1] }],
] as const satisfies readonly (readonly [string, MatrixStrategy])[]) {
  t.test(`${name}: multiplied by the strategy, the noise is independent discrete Gaussian again`, async (t) => {
    const setup = parameters(strategy, 3000, 8);
    const { noiseStdDev } = matrixMechanism(setup);
    const coefficients = strategyCoefficients(strategy, 8);
    const noise = runNoise(setup, 111);
    const recovered: number[] = [];
    noise.forEach((now, step) => {
      for (let at = 0; at < setup.dimension; at++) {
        let feedback = 0;
        for (let i = 1; i <= Math.min(step, coefficients.length - 1); i++) {
          feedback += (coefficients[i] ?? 0) * (noise[step - i]?.[at] ?? 0);
        }
        recovered.push(Math.round((now[at] ?? 0) + feedback));
      }
    });
    t.ok(
      noise.every((step) => step.every(Number.isInteger)),
      "lattice points",
    );
    // In cells of σ/20, standard normal: the score has a false-alarm rate of 3e-7.
    const cells = recovered.map((z) => Math.round((z / noiseStdDev) * 20));
    const { score } = chiSquare(cells, discreteGaussianProbability(20), 80);
    t.ok(score < 5, `${score}`);
  });

  t.test(`${name}: running totals carry the error that the matrix predicts`, async (t) => {
    const steps = 12;
    const setup = parameters(strategy, 20_000, steps);
    const { noiseStdDev } = matrixMechanism(setup);
    const coefficients = strategyCoefficients(strategy, steps);
    const inverse = [1];
    for (let step = 1; step < steps; step++) {
      let sum = 0;
      for (let i = 1; i <= Math.min(step, coefficients.length - 1); i++) {
        sum -= (coefficients[i] ?? 0) * (inverse[step - i] ?? 0);
      }
      inverse.push(sum);
    }
    const total = new Float64Array(setup.dimension);
    runNoise(setup, 112).forEach((now) => {
      now.forEach((value, at) => {
        total[at] = (total[at] ?? 0) + value;
      });
    });
    // The last running total weighs z_s with Σ_(i ≤ steps−1−s) of the inverse's column.
    let predicted = 0;
    let weight = 0;
    for (const value of inverse) {
      weight += value;
      predicted += weight * weight;
    }
    const observed = total.reduce((sum, value) => sum + value * value, 0) / setup.dimension / noiseStdDev ** 2;
    // Standard deviation of an average of squares: √(2/n); 5 of them, a false-alarm rate of 6e-7.
    t.ok(Math.abs(observed / predicted - 1) < 5 * Math.sqrt(2 / setup.dimension), `${observed} for ${predicted}`);
  });
}

t.test("correlated noise beats independent noise of the same privacy on running totals", async (t) => {
  const steps = 64;
  const errorOf = (strategy: MatrixStrategy): number => {
    const setup = { ...parameters(strategy, 2000, steps), minSeparation: 64, maxParticipations: 1 };
    const mechanism = matrixMechanism(setup);
    // The same ρ for each: noise multipliers in proportion to the sensitivity.
    const sensitivity = toeplitzSensitivity(strategyCoefficients(strategy, steps), mechanism.participation);
    const noise = runNoise({ ...setup, noiseMultiplier: sensitivity }, 113);
    const total = new Float64Array(setup.dimension);
    for (const now of noise) {
      now.forEach((value, at) => {
        total[at] = (total[at] ?? 0) + value / 2 ** mechanism.latticeBits;
      });
    }
    return Math.sqrt(total.reduce((sum, value) => sum + value * value, 0) / setup.dimension);
  };
  const independent = errorOf({ type: "banded", coefficients: [1] });
  t.ok(errorOf(BLT) < 0.6 * independent);
  t.ok(errorOf(bandedSquareRoot(64)) < 0.6 * independent);
});

t.test("a run goes on from its saved state as if it had not stopped", async (t) => {
  for (const strategy of [BLT, bandedSquareRoot(3)]) {
    const setup = parameters(strategy, 50, 6);
    const mechanism = matrixMechanism(setup);
    const whole = runNoise(setup, 114);
    // Fresh noise comes from a source of its own each step, so that the stop does not change it.
    const steps: Float64Array[] = [];
    let state = new CorrelatedNoise(mechanism, seededRandom(0)).state();
    for (let step = 0; step < 6; step++) {
      const noise = new CorrelatedNoise(mechanism, seededRandom(200 + step), state);
      const sum = new Float64Array(50);
      noise.addTo(sum);
      steps.push(sum);
      state = noise.state();
      t.equal(state.step, step + 1);
    }
    t.equal(steps.length, whole.length);
    let again = new CorrelatedNoise(mechanism, seededRandom(0)).state();
    for (let step = 0; step < 6; step++) {
      const noise = new CorrelatedNoise(mechanism, seededRandom(200 + step), again);
      const sum = new Float64Array(50);
      noise.addTo(sum);
      t.same(sum, steps[step]);
      again = noise.state();
    }
  }
});

t.test("memory is a few buffers", async (t) => {
  t.equal(new CorrelatedNoise(matrixMechanism(parameters(BLT, 10, 100)), seededRandom(1)).state().buffers.length, 4);
  const banded = matrixMechanism(parameters(bandedSquareRoot(5), 10, 100));
  t.equal(new CorrelatedNoise(banded, seededRandom(1)).state().buffers.length, 4);
});

t.test("steps beyond the run, wrong lengths and sums that are not integers are refused", async (t) => {
  const setup = parameters(BLT, 2, 1);
  const mechanism = matrixMechanism({ ...setup, minSeparation: 1, maxParticipations: 1 });
  const noise = new CorrelatedNoise(mechanism, seededRandom(1));
  t.throws(() => noise.addTo(new Float64Array(3)), { code: "WRONG_LENGTH" });
  const bad = Float64Array.of(1, 0.5);
  t.throws(() => noise.addTo(bad), { code: "OUT_OF_RANGE" });
  t.same(Array.from(bad), [1, 0.5]);
  noise.addTo(new Float64Array(2));
  t.throws(() => noise.addTo(new Float64Array(2)), { code: "OUT_OF_RANGE" });
  t.throws(() => new CorrelatedNoise(mechanism, seededRandom(1), { step: 0, buffers: [] }), { code: "WRONG_LENGTH" });
});

t.test("strategies that cannot be streamed are refused", async (t) => {
  for (const strategy of [
    { type: "banded", coefficients: [] },
    { type: "banded", coefficients: [2, 1] },
    { type: "banded", coefficients: [1, Number.NaN] },
    { type: "blt", bufferDecay: [], outputScale: [] },
    { type: "blt", bufferDecay: [1], outputScale: [0.1] },
    { type: "blt", bufferDecay: [0.5], outputScale: [0.1, 0.2] },
    { type: "blt", bufferDecay: [0.5], outputScale: [-0.1] },
  ] as const satisfies readonly MatrixStrategy[]) {
    t.throws(() => matrixMechanism(parameters(strategy, 2, 4)), { code: "INVALID_PARAMETER" });
  }
  // Noise that grows without bound does not fit.
  const explosive: MatrixStrategy = { type: "banded", coefficients: [1, -3] };
  t.throws(() => matrixMechanism({ ...parameters(explosive, 2, 200), minSeparation: 2 }), { code: "OUT_OF_RANGE" });
});
