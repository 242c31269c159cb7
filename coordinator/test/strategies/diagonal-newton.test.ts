import t from "tap";
import { diagonalNewton } from "../../src/strategies/diagonal-newton.js";
import { fedAvg } from "../../src/strategies/fedavg.js";

const base = { divisor: 4, noiseStdDev: 0, step: 1, steps: 1, state: new Float32Array(0) };

t.test("federated averaging divides by the fixed divisor, not by how many came", async (t) => {
  const { parameters } = fedAvg({ learningRate: 0.5 }).apply({
    ...base,
    parameters: Float32Array.from([1, 2]),
    sum: Float32Array.from([8, -4]),
  });
  t.same([...parameters], [2, 1.5]);
});

t.test("one Newton step solves a ridge regression by hand", async (t) => {
  // Two parameters: three examples with residual sum 6, none. (6 − 2·0)/(3 + 2) = 1.2; without examples nothing moves.
  const strategy = diagonalNewton({ ridge: 2, curvatureScale: 0.5 });
  t.equal(strategy.updateLength(2), 4);
  const { parameters, state } = strategy.apply({
    ...base,
    parameters: new Float32Array(2),
    sum: Float32Array.from([6, 0, 1.5, 0]),
  });
  t.same([...parameters], [Math.fround(1.2), 0]);
  t.same([...state], [3, 0]);
});

t.test("at its optimum the model stays where it is", async (t) => {
  // θ = 1.2 is optimal for gradient 6 at θ = 0: the next gradient is 6 − 3·1.2 = 2.4 = ridge·θ.
  const strategy = diagonalNewton({ ridge: 2, curvatureScale: 0.5 });
  const { parameters } = strategy.apply({
    ...base,
    parameters: Float32Array.from([1.2]),
    sum: Float32Array.from([2.4, 1.5]),
    step: 2,
    steps: 2,
    state: Float32Array.from([3]),
  });
  t.ok(Math.abs((parameters[0] ?? 0) - 1.2) < 1e-6);
});

t.test("a dense tail has neither ridge nor shrinkage", async (t) => {
  const strategy = diagonalNewton({ ridge: 1e9, curvatureScale: 1, denseTail: 1 });
  const { parameters } = strategy.apply({
    ...base,
    parameters: new Float32Array(2),
    sum: Float32Array.from([5, 10, 5, 20]),
  });
  t.ok(Math.abs(parameters[0] ?? 1) < 1e-6, "the ridge holds the first");
  t.equal(parameters[1], 0.5, "the tail moves by gradient over count");
});

t.test("with noise, more rounds at proportionally more noise end as near to the truth as one", async (t) => {
  // y = θ* + noise for 400 examples a parameter, 200 parameters; noise of the sum √R·σ a round. Seeded; the bound is
  // four standard errors of the mean squared error wide: it fails for a right program less than once in 10 000 seeds.
  const seeded = gaussians(7);
  const size = 200;
  const truth = Float32Array.from({ length: size }, () => 0.5 * seeded());
  const errorAfter = (rounds: number): number => {
    const strategy = diagonalNewton({ ridge: 1, curvatureScale: 1, priorVariance: 0.25 });
    let parameters: Float32Array = new Float32Array(size);
    let state: Float32Array = new Float32Array(0);
    const noiseStdDev = 40 * Math.sqrt(rounds);
    for (let step = 1; step <= rounds; step++) {
      const sum = Float32Array.from({ length: 2 * size }, (_, i) =>
        i < size
          ? 400 * ((truth[i] ?? 0) - (parameters[i] ?? 0)) + noiseStdDev * seeded()
          : 400 + noiseStdDev * seeded(),
      );
      ({ parameters, state } = strategy.apply({
        parameters,
        sum,
        divisor: 1,
        noiseStdDev,
        step,
        steps: rounds,
        state,
      }));
    }
    return parameters.reduce((total, value, i) => total + (value - (truth[i] ?? 0)) ** 2 / size, 0);
  };
  const one = errorAfter(1);
  t.ok(one < 0.02, `one round: ${one}`);
  for (const rounds of [2, 4, 8]) {
    const many = errorAfter(rounds);
    t.ok(many < 1.6 * one, `${rounds} rounds: ${many} against ${one}`);
  }
});

/** Standard normal draws from a seed (Box and Muller 1958 over a linear congruential generator). */
function gaussians(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
