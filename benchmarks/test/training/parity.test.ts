// The five models of the training benchmark, smaller: what a hundred steps lead to does not depend on the engine.
import t from "tap";
import { trainingCases } from "../../src/training/models.js";
import { distanceAfterSteps } from "./after-steps.js";

const sizes = { pixels: 16, hidden: 24, users: 60, items: 40, factors: 8, units: 12, steps: 6, vocabulary: 10 };

for (const each of trainingCases(sizes)) {
  t.test(`${each.name}: a hundred steps compiled are a hundred steps of TensorFlow.js`, async (t) => {
    for (const optimiser of [
      { type: "sgd", learningRate: 0.05 },
      { type: "momentum", learningRate: 0.01, momentum: 0.9 },
    ] as const) {
      const distance = await distanceAfterSteps(each, optimiser, 100, "wasm");
      t.ok(distance.relative < 1e-4, `${optimiser.type}: ${distance.relative} relative`);
      t.ok(distance.moved > 1e-3, `${optimiser.type}: training moved the weights by ${distance.moved}`);
    }
  });
}

t.test("Adam too, where no gradient is close to 0 all the time", async (t) => {
  for (const each of trainingCases(sizes).filter(({ name }) => name === "logistic regression" || name === "MLP")) {
    const distance = await distanceAfterSteps(each, { type: "adam", learningRate: 0.001 }, 100, "wasm");
    t.ok(distance.relative < 1e-4, `${each.name}: ${distance.relative}`);
  }
});
