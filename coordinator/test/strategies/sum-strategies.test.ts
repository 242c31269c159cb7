// Two steps of each server rule, on numbers worked by hand from the papers' update rules.
import t, { type Test } from "tap";
import { strategyFor, sumStrategyFor } from "../../src/strategies/registry.js";
import type { StrategySettings, SumResult } from "../../src/strategies/strategy.js";

const EMPTY = new Float32Array(0);

/** Two rounds whose cohorts of two have the given sums; with the state that the first leaves. */
function twoSteps(id: string, settings: StrategySettings, first: readonly number[], second: readonly number[]) {
  const strategy = sumStrategyFor({ id, settings });
  const shared = { divisor: 2, noiseStdDev: 0, steps: 2 };
  const start = Float32Array.from({ length: first.length }, () => 0);
  const one = strategy.apply({ ...shared, parameters: start, sum: Float32Array.from(first), step: 1, state: EMPTY });
  // As after a restart: what is kept between two rounds is exactly what the store has, 32-bit floats.
  const state = Float32Array.from(one.state);
  const two = strategy.apply({ ...shared, parameters: one.parameters, sum: Float32Array.from(second), step: 2, state });
  return { one, two };
}

function near(t: Test, found: Float32Array, wanted: readonly number[], name: string): void {
  t.equal(found.length, wanted.length, name);
  wanted.forEach((value, i) => {
    const came = found[i] ?? Number.NaN;
    t.ok(
      Math.abs(came - value) <= 1e-6 * Math.max(Math.abs(value), 1),
      `${name}[${i}]: expected ${value}, came ${came}`,
    );
  });
}

t.test("FedAvgM (Hsu et al. 2019): the velocity decays by β and gets the mean update", async (t) => {
  // Δ₁ = (2, −1): m = (2, −1), θ = (1, −0.5). Δ₂ = (1, 0): m = 0.5·(2, −1) + (1, 0) = (2, −0.5), θ = (2, −0.75).
  const { one, two } = twoSteps("fedavgm", { learningRate: 0.5, momentum: 0.5 }, [4, -2], [2, 0]);
  near(t, one.parameters, [1, -0.5], "θ₁");
  near(t, two.state, [2, -0.5], "m₂");
  near(t, two.parameters, [2, -0.75], "θ₂");
});

const ADAPTIVE = { learningRate: 1, momentum: 0.5, adaptivity: 1 };

t.test("FedAdagrad (Reddi et al. 2021): v adds up Δ²", async (t) => {
  // Δ₁ = 2: m = 1, v = 1 + 4 = 5, θ = 1/(√5 + 1). Δ₂ = −1: m = 0.5 − 0.5 = 0, v = 6, θ stays.
  const { one, two } = twoSteps("fedadagrad", ADAPTIVE, [4], [-2]);
  near(t, one.state, [1, 5], "m₁, v₁");
  near(t, one.parameters, [1 / (Math.sqrt(5) + 1)], "θ₁");
  near(t, two.state, [0, 6], "m₂, v₂");
  near(t, two.parameters, [1 / (Math.sqrt(5) + 1)], "θ₂");
});

t.test("FedAdam (Reddi et al. 2021): v decays by β₂", async (t) => {
  // β₂ = 0.75. Δ₁ = 2: m = 1, v = 0.75 + 0.25·4 = 1.75. Δ₂ = 4: m = 2.5, v = 0.75·1.75 + 0.25·16 = 5.3125.
  const { one, two } = twoSteps("fedadam", { ...ADAPTIVE, secondMomentum: 0.75 }, [4], [8]);
  near(t, one.state, [1, 1.75], "m₁, v₁");
  const first = 1 / (Math.sqrt(1.75) + 1);
  near(t, one.parameters, [first], "θ₁");
  near(t, two.state, [2.5, 5.3125], "m₂, v₂");
  near(t, two.parameters, [first + 2.5 / (Math.sqrt(5.3125) + 1)], "θ₂");
});

t.test("FedYogi (Reddi et al. 2021): v moves by a part of Δ², in the sign of the difference", async (t) => {
  // β₂ = 0.75. Δ₁ = 2: v = 1 − 0.25·4·sign(1 − 4) = 2. Δ₂ = 1: v = 2 − 0.25·1·sign(2 − 1) = 1.75, m = 0.5·1 + 0.5·1 = 1.
  const { one, two } = twoSteps("fedyogi", { ...ADAPTIVE, secondMomentum: 0.75 }, [4], [2]);
  near(t, one.state, [1, 2], "m₁, v₁");
  const first = 1 / (Math.sqrt(2) + 1);
  near(t, one.parameters, [first], "θ₁");
  near(t, two.state, [1, 1.75], "m₂, v₂");
  near(t, two.parameters, [first + 1 / (Math.sqrt(1.75) + 1)], "θ₂");
});

t.test(
  "SCAFFOLD (Karimireddy et al. 2020): the model moves by the cohort's mean, the variate by a part 1/N of it",
  async (t) => {
    // S = 2 of N = 8 devices, s = 4. x: 0.5·ΣΔy/S; c: Σ(s·Δc)/(s·N).
    const settings = { devices: 8, learningRate: 0.5, variateScale: 4 };
    const { one, two } = twoSteps("scaffold", settings, [4, -8, 32, 64], [0, 8, -32, 0]);
    near(t, one.parameters, [1, -2, 1, 2], "[x | c]₁");
    near(t, two.parameters, [1, 0, 0, 2], "[x | c]₂");
    t.equal(strategyFor({ id: "scaffold", settings }).updateLength(4), 4);
    t.throws(() => strategyFor({ id: "scaffold", settings }).updateLength(5), { code: "BAD_PLAN" });
  },
);

t.test("q-FedAvg (Li et al. 2020): two devices' reweighted updates over the sum of their h", async (t) => {
  // q = 2, L = 10. Device 1: F = 2, θ₁ − θ = (1, 0): Δ = −10·(1, 0), ‖Δ‖² = 100, h = 2·2·100 + 10·4 = 440, −F^q·Δ = (40, 0).
  // Device 2: F = 1, θ₂ − θ = (0, −0.5): ‖Δ‖² = 25, h = 2·1·25 + 10·1 = 60, −F^q·Δ = (0, −5).
  const strategy = sumStrategyFor({ id: "q-fedavg", settings: { curvatureScale: 0.1 } });
  t.equal(strategy.updateLength(2), 3);
  const sum = Float32Array.of(40, -5, 0.1 * (440 + 60));
  const result = {
    parameters: Float32Array.of(1, 1),
    sum,
    divisor: 9,
    noiseStdDev: 0,
    step: 1,
    steps: 1,
    state: EMPTY,
  };
  near(t, strategy.apply(result).parameters, [1 + 40 / 500, 1 - 5 / 500], "θ");
  // q = 0 is federated averaging: h = L for each, −Δ = L·(θ_k − θ).
  const plain = sumStrategyFor({ id: "q-fedavg", settings: {} });
  near(t, plain.apply({ ...result, sum: Float32Array.of(10, -5, 20) }).parameters, [1.5, 0.75], "θ with q = 0");
  // A Σh lost in noise does not blow the step up.
  const noisy = plain.apply({ ...result, sum: Float32Array.of(3, -3, -1), noiseStdDev: 1 }).parameters;
  near(t, noisy, [2, 0], "θ with Σh below its noise");
  near(t, plain.apply({ ...result, sum: new Float32Array(3) }).parameters, [1, 1], "θ with nothing to learn from");
});

t.test("FedBuff (Nguyen et al. 2022): the buffer's mean, whose parts are weighted already", async (t) => {
  // K = 2: updates 2 and 6 of which the second is 3 models old, a = 0.5: 6·(1 + 3)^(−½) = 3. θ = 0.5·(2 + 3)/2.
  const { one, two } = twoSteps("fedbuff", { learningRate: 0.5 }, [2 + 6 / Math.sqrt(4)], [0]);
  near(t, one.parameters, [1.25], "θ₁");
  near(t, two.parameters, [1.25], "θ₂");
  const { staleness } = sumStrategyFor({ id: "fedbuff", settings: { maximumStaleness: 3, stalenessExponent: 1 } });
  t.same(staleness, { maximum: 3, exponent: 1 });
  t.equal(sumStrategyFor({ id: "fedavg", settings: {} }).staleness, undefined);
  const settings = { maximumStaleness: 101 };
  t.throws(() => strategyFor({ id: "fedbuff", settings }), { code: "BAD_PLAN", message: /maximumStaleness/ });
});

t.test("settings that a strategy has not, or that cannot be, are refused by name", async (t) => {
  const wrong: [string, StrategySettings, RegExp][] = [
    [
      "fedavg",
      { learningrate: 1 },
      /expected of fedavg one of learningRate, came learningrate; did you mean learningRate\?/,
    ],
    ["fedavgm", { momentum: 1 }, /settings\.momentum: expected of fedavgm a number from 0/],
    ["fedadagrad", { secondMomentum: 0.9 }, /expected of fedadagrad one of learningRate, momentum, adaptivity/],
    ["fedadam", { adaptivity: 0 }, /settings\.adaptivity: .*above 0/],
    ["fedyogi", { learningRate: "0.1" }, /settings\.learningRate/],
    ["scaffold", {}, /settings\.devices: expected of scaffold a whole number from 1.*came nothing/],
    ["scaffold", { devices: 2.5 }, /settings\.devices/],
    ["krum", { poisonedFraction: 0.5 }, /settings\.poisonedFraction/],
  ];
  for (const [id, settings, message] of wrong)
    t.throws(() => strategyFor({ id, settings }), { code: "BAD_PLAN", message });
});

t.test("no rule changes what it was given", async (t) => {
  for (const id of ["fedavg", "fedavgm", "fedadam", "fedyogi", "fedadagrad"]) {
    const given: SumResult = {
      parameters: Float32Array.of(1, 2),
      sum: Float32Array.of(3, 4),
      divisor: 2,
      noiseStdDev: 0,
      step: 1,
      steps: 1,
      state: EMPTY,
    };
    sumStrategyFor({ id, settings: {} }).apply(given);
    t.same(
      [[...given.parameters], [...given.sum]],
      [
        [1, 2],
        [3, 4],
      ],
      id,
    );
  }
});
