import t from "tap";
import { CompiledModel, nextEventManifest, nextEventTopology, nextEventTrainer } from "../../src/engine/index.js";
import type { TrainingTask } from "../../src/trainers/trainer.js";

const model = { kinds: 3, window: 4, width: 4, units: 8 };
const manifest = nextEventManifest(model);
const length = manifest.reduce((sum, { shape }) => sum + shape.reduce((size, extent) => size * extent, 1), 0);

function task(parameters: Float32Array, updateLength: number): TrainingTask {
  return {
    parameters,
    manifest,
    settings: { optimiser: "adam", learningRate: "0.02", epochs: 4, batchSize: 8 },
    updateLength,
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
  };
}

t.test("the manifest is the compiled model's", async (t) => {
  const topology = nextEventTopology(model);
  const optimiser = { type: "sgd", learningRate: 0.1 } as const;
  const compiled = new CompiledModel({ topology, loss: "categoricalCrossentropy", batchSize: 1, optimiser });
  t.same(
    compiled.manifest.map(({ shape }) => shape),
    manifest.map(({ shape }) => shape),
  );
});

t.test("two participants' rounds learn which event follows which", async (t) => {
  // 1 2 3 1 2 3 …, from different beginnings: no participant's window is the other's first.
  const trainers = [0, 1].map((shift) =>
    nextEventTrainer({ ...model, events: Int32Array.from({ length: 40 }, (_, i) => ((i + shift) % 3) + 1), held: 10 }),
  );
  let parameters = Float32Array.from({ length }, (_, i) => 0.3 * Math.sin(i * i));
  const [before = 0] = (await trainers[0]?.evaluate(task(parameters, 3))) ?? [];
  for (let round = 0; round < 12; round++) {
    const updates = await Promise.all(trainers.map((trainer) => trainer.train(task(parameters, length))));
    parameters = parameters.map(
      (value, i) => value + updates.reduce((sum, { update }) => sum + (update[i] ?? 0), 0) / 2,
    );
  }
  for (const trainer of trainers) {
    const [loss = 1, share, one] = await trainer.evaluate(task(parameters, 3));
    t.equal(share, 1, "every held event is predicted");
    t.ok(loss < before / 2, `loss ${loss} after ${before}`);
    t.equal(one, 1);
  }
});

t.test("events that are no kind are refused", async (t) => {
  for (const event of [0, 4, -1]) {
    t.throws(() => nextEventTrainer({ ...model, events: Int32Array.of(1, event) }), { code: "BAD_OPTION" });
  }
  t.throws(() => nextEventTrainer({ ...model, events: Int32Array.of(1), held: 2 }), { code: "BAD_OPTION" });
});

t.test("a model of many kinds has no score of true and false", async (t) => {
  const trainer = nextEventTrainer({ ...model, events: Int32Array.of(1, 2, 3, 1, 2, 3), held: 2 });
  const asked = { ...task(new Float32Array(length), 64), settings: { report: "scores" } };
  await t.rejects(trainer.evaluate(asked), { code: "GUARD_UNSUPPORTED" });
});
