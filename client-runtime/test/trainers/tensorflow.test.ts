import * as layers from "@tensorflow/tfjs-layers";
import t from "tap";
import type { TrainingTask } from "../../src/index.js";
import { epochOrder } from "../../src/trainers/layers/examples.js";
import {
  type Examples,
  type LayersEngine,
  modelManifest,
  modelParameters,
  startBackend,
  tensorflowTrainer,
} from "../../src/trainers/tensorflow/index.js";

const BACKENDS: readonly LayersEngine[] = ["compiled", "wasm", "cpu"];

/** y = 2x₀ − x₁ + 1 on a grid. */
const line: Examples = (() => {
  const rows = Array.from({ length: 64 }, (_, i) => [(i % 8) / 8, Math.floor(i / 8) / 8] as const);
  return {
    features: Float32Array.from(rows.flat()),
    featureShape: [2],
    labels: Float32Array.from(rows, ([a, b]) => 2 * a - b + 1),
    labelShape: [1],
  };
})();

function linear(): layers.Sequential {
  return layers.sequential({ layers: [layers.layers.dense({ units: 1, inputShape: [2] })] });
}

function classifier(): layers.Sequential {
  return layers.sequential({
    layers: [
      layers.layers.dense({ units: 8, inputShape: [2], activation: "relu" }),
      layers.layers.dense({ units: 2, activation: "softmax" }),
    ],
  });
}

const LINEAR_MANIFEST = [
  { name: "kernel", shape: [2, 1] },
  { name: "bias", shape: [1] },
];

function task(overrides: Partial<TrainingTask> = {}): TrainingTask {
  return {
    parameters: new Float32Array(3),
    manifest: LINEAR_MANIFEST,
    settings: { learningRate: "0.1", epochs: 1, batchSize: 16 },
    updateLength: 3,
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
    ...overrides,
  };
}

for (const backend of BACKENDS) {
  t.test(`on ${backend}, scores are reported by label where the metric is auc`, async (t) => {
    // Every second one is true, and they are scored x₀.
    const labels = line.labels.map((_, i) => i % 2);
    const examples = { ...line, labels };
    const trainer = tensorflowTrainer({
      id: "line",
      model: linear,
      loss: "meanSquaredError",
      examples,
      backends: [backend],
    });
    t.teardown(() => trainer.close());
    const settings = { report: "scores", batchSize: 10 };
    const out = await trainer.evaluate(task({ parameters: Float32Array.of(1, 0, 0), settings, updateLength: 8 }));
    t.same(
      [...out],
      [1, 1, 1, 1, 1, 1, 1, 1].map((count) => count / 8),
      "x₀ from 0 to 7/8: two columns a bin, one of each label",
    );
  });

  t.test(`on ${backend}, repeated rounds of local training fit a line`, async (t) => {
    const trainer = tensorflowTrainer({
      id: "line",
      model: linear,
      loss: "meanSquaredError",
      examples: line,
      backends: [backend],
    });
    t.teardown(() => trainer.close());
    const parameters = new Float32Array(3);
    for (let round = 0; round < 40; round++) {
      const settings = { learningRate: "0.05", optimiser: "adam", epochs: 2, batchSize: 16 };
      const { update } = await trainer.train(task({ parameters, settings }));
      update.forEach((value, i) => {
        parameters[i] = (parameters[i] ?? 0) + value;
      });
    }
    t.ok(Math.abs((parameters[0] ?? 0) - 2) < 0.1, `slope ${parameters[0]}`);
    t.ok(Math.abs((parameters[1] ?? 0) + 1) < 0.1, `slope ${parameters[1]}`);
    t.ok(Math.abs((parameters[2] ?? 0) - 1) < 0.1, `offset ${parameters[2]}`);
    const [loss, , one] = await trainer.evaluate(task({ parameters, updateLength: 3 }));
    t.ok((loss ?? 1) < 0.01, `loss ${loss}`);
    t.equal(one, 1);
  });

  t.test(`on ${backend}, the same round gives the same update`, async (t) => {
    const trainer = tensorflowTrainer({
      id: "line",
      model: linear,
      loss: "meanSquaredError",
      examples: line,
      backends: [backend],
    });
    t.teardown(() => trainer.close());
    const first = await trainer.train(task());
    const second = await trainer.train(task());
    t.same(second.update, first.update);
    const other = await trainer.train(task({ settings: { learningRate: "0.1", batchSize: 16, seed: 2 } }));
    t.notSame(other.update, first.update, "another seed, another order");
  });
}

t.test("one step of gradient descent is the negative gradient, times the learning rate", async (t) => {
  // One example (1, 2) → 3 from zero: loss (0 − 3)², gradient −6·(1, 2, 1).
  const examples = {
    features: Float32Array.of(1, 2),
    featureShape: [2],
    labels: Float32Array.of(3),
    labelShape: [1],
  };
  const options = { id: "line", model: linear, loss: "meanSquaredError", examples } as const;
  const trainer = tensorflowTrainer(options);
  t.teardown(() => trainer.close());
  const { update } = await trainer.train(task());
  t.same(
    Array.from(update, (value) => Math.round(value * 1e5) / 1e5),
    [0.6, 1.2, 0.6],
  );
});

t.test("compiled, wasm and cpu agree on a classifier", async (t) => {
  await startBackend(["cpu"]);
  const model = classifier();
  const manifest = modelManifest(model);
  const parameters = await modelParameters(model);
  model.dispose();
  const labels = Float32Array.from({ length: 128 }, (_, i) => Number((i & 1) === ((i >> 1) % 8 < 4 ? 1 : 0)));
  const examples = { ...line, labels, labelShape: [2] };
  const updates: Float32Array[] = [];
  for (const backend of BACKENDS) {
    const trainer = tensorflowTrainer({
      id: "classes",
      model: classifier,
      loss: "categoricalCrossentropy",
      examples,
      backends: [backend],
    });
    const updateLength = parameters.length;
    const { update } = await trainer.train(task({ parameters, manifest, updateLength }));
    updates.push(update);
    const [, share] = await trainer.evaluate(task({ parameters, manifest }));
    t.ok(share !== undefined && share >= 0 && share <= 1);
    trainer.close();
  }
  const [cpu] = updates.splice(-1);
  for (const update of updates) {
    const distance = Math.max(...update.map((value, i) => Math.abs(value - (cpu?.[i] ?? 0))));
    t.ok(distance < 1e-5, `largest difference ${distance}`);
  }
});

t.test("an aborted training stops and hands out nothing", async (t) => {
  const controller = new AbortController();
  const trainer = tensorflowTrainer({ id: "line", model: linear, loss: "meanSquaredError", examples: line });
  t.teardown(() => trainer.close());
  let steps = 0;
  const onProgress = (): void => {
    steps += 1;
    controller.abort();
  };
  await t.rejects(trainer.train(task({ signal: controller.signal, onProgress })), { code: "ABORTED" });
  t.equal(steps, 1);
});

t.test("a training that diverges is refused", async (t) => {
  const trainer = tensorflowTrainer({ id: "line", model: linear, loss: "meanSquaredError", examples: line });
  t.teardown(() => trainer.close());
  const settings = { learningRate: "1e30", epochs: 20 };
  await t.rejects(trainer.train(task({ settings })), { code: "NON_FINITE" });
});

t.test("a round's model of another shape is refused", async (t) => {
  const trainer = tensorflowTrainer({ id: "line", model: linear, loss: "meanSquaredError", examples: line });
  t.teardown(() => trainer.close());
  const manifest = [{ name: "kernel", shape: [3] }];
  await t.rejects(trainer.train(task({ manifest })), { code: "WRONG_LENGTH" });
  await t.rejects(trainer.train(task({ updateLength: 4 })), { code: "WRONG_LENGTH" });
});

t.test("a backend that is not installed is passed over; without any there is an error", async (t) => {
  t.equal(await startBackend(["tensorflow", "cpu"]), "cpu");
  await t.rejects(startBackend(["tensorflow"]), { code: "BACKEND" });
});

t.test("training leaves no tensors behind", async (t) => {
  const { memory } = await import("@tensorflow/tfjs-core");
  const options = { id: "line", model: linear, loss: "meanSquaredError", examples: line } as const;
  const trainer = tensorflowTrainer(options);
  await trainer.train(task({ settings: { optimiser: "adam" } }));
  const before = memory().numTensors;
  for (let i = 0; i < 3; i++) await trainer.train(task({ settings: { optimiser: "adam" } }));
  await trainer.evaluate(task());
  t.equal(memory().numTensors, before);
  trainer.close();
});

t.test("examples whose arrays and shapes disagree are refused", async (t) => {
  const examples = { ...line, labelShape: [3] };
  t.throws(() => tensorflowTrainer({ id: "x", model: linear, loss: "meanSquaredError", examples }), {
    code: "BAD_OPTION",
  });
});

t.test("an epoch's order holds every example once", async (t) => {
  const order = epochOrder(100, 7, 3);
  t.same(
    Array.from(order).sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, i) => i),
  );
  t.notSame(epochOrder(100, 7, 4), order);
});
