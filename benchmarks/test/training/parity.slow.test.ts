// The models of the training benchmark at their measured size. The LSTM is left out: TensorFlow.js takes three minutes and
// more for a hundred of its steps.
import t from "tap";
import { trainingCases } from "../../src/training/models.js";
import { distanceAfterSteps } from "./after-steps.js";

for (const each of trainingCases().filter(({ name }) => name !== "LSTM")) {
  t.test(
    `${each.name}: a hundred steps compiled are a hundred steps of TensorFlow.js`,
    { timeout: 600_000 },
    async (t) => {
      const distance = await distanceAfterSteps(each, { type: "sgd", learningRate: 0.05 }, 100, "wasm");
      t.ok(distance.relative < 1e-4, `${distance.relative} relative`);
      t.ok(distance.moved > 1e-4, `training moved the weights by ${distance.moved}`);
    },
  );
}
