import fc from "fast-check";
import t from "tap";
import { fedAvg } from "../../src/strategies/fedavg.js";
import { strategyFor } from "../../src/strategies/registry.js";
import type { SumResult } from "../../src/strategies/strategy.js";

function result(changes: Partial<SumResult>): SumResult {
  return {
    parameters: Float32Array.of(1, 2),
    sum: Float32Array.of(4, -8),
    divisor: 4,
    noiseStdDev: 0,
    step: 1,
    steps: 1,
    state: new Float32Array(0),
    ...changes,
  };
}

t.test("the model moves by the sum over the plan's fixed divisor", async (t) => {
  const { parameters, state } = fedAvg({}).apply(result({}));
  t.same([...parameters], [2, 0]);
  t.equal(state.length, 0);
  t.equal(fedAvg({}).updateLength(7), 7);
});

t.test("a server learning rate scales the step, and the inputs stay as they were", async (t) => {
  const before = result({});
  t.same([...fedAvg({ learningRate: 0.5 }).apply(before).parameters], [1.5, 1]);
  t.same([...before.parameters], [1, 2]);
  t.same([...before.sum], [4, -8]);
});

t.test("averaging equal updates is that update, whatever the cohort", async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: -512, max: 512 }), (cohort, update) => {
      const sum = Float32Array.of(cohort * update, 0);
      const [moved] = fedAvg({}).apply(result({ parameters: Float32Array.of(0, 0), sum, divisor: cohort })).parameters;
      return Math.abs((moved ?? Number.NaN) - update) < 1e-3;
    }),
    { seed: 41 },
  );
});

t.test("a strategy that there is not is refused by name", async (t) => {
  t.equal(strategyFor({ id: "fedavg", settings: {} }).id, "fedavg");
  for (const id of ["bulyan", "constructor", ""]) {
    t.throws(() => strategyFor({ id, settings: {} }), { code: "BAD_PLAN" }, id);
  }
});
