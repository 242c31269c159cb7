// Example-level training in every trainer that offers it.
import { type DpSgdParameters, normL2, type RandomSource, systemRandom } from "@fedloop/privacy";
import { layers, sequential } from "@tensorflow/tfjs-layers";
import t from "tap";
import {
  biasedFactorisationTrainer,
  logisticRegressionTrainer,
  type Trainer,
  type TrainingTask,
} from "../../src/index.js";
import { tensorflowTrainer } from "../../src/trainers/tensorflow/index.js";

type Level = Partial<Omit<DpSgdParameters, "dimension">>;

/** All examples in every step, next to no noise, a clip that nothing meets: plain gradient descent. */
const PLAIN = { clipNorm: 1e3, noiseMultiplier: 1e-7, samplingProbability: 1, steps: 1 };

interface Case {
  readonly name: string;
  /** A trainer on that many of its examples. The first ones are the same; from the fourth on they are wild. */
  readonly trainer: (examples: number) => Trainer;
  readonly parameters: Float32Array;
  readonly manifest: TrainingTask["manifest"];
  readonly learningRate: number;
  /** The sum over the examples' gradients at the parameters, by another way; of the first three examples. */
  readonly gradient: readonly number[];
}

function lineModel() {
  const model = sequential();
  model.add(layers.dense({ units: 1, inputShape: [2] }));
  return model;
}

const features = Float32Array.of(1, 2, -1, 0.5, 0, -2, 1e4, -1e4);

const CASES: readonly Case[] = [
  {
    name: "biased factorisation",
    trainer: (examples) =>
      biasedFactorisationTrainer({
        items: Int32Array.of(0, 1, 1, 2).slice(0, examples),
        ratings: Float32Array.of(5, 2, 4, 1e4).slice(0, examples),
        held: new Uint8Array(examples),
      }),
    parameters: Float32Array.of(0.5, -0.5, 0, 0.1),
    manifest: [],
    learningRate: 0.1,
    gradient: [-1.4, 0.6 - 1.4, 0, -1.4 + 0.6 - 1.4],
  },
  {
    name: "logistic regression",
    trainer: (examples) =>
      logisticRegressionTrainer({
        features: features.slice(0, 2 * examples),
        labels: Uint8Array.of(1, 0, 1, 0).slice(0, examples),
        held: new Uint8Array(examples),
      }),
    parameters: Float32Array.of(0, 0, 0),
    manifest: [],
    learningRate: 0.1,
    gradient: [-0.5 - 0.5, -1 + 0.25 + 1, -0.5 + 0.5 - 0.5],
  },
  ...(["cpu", "compiled"] as const).map(
    (engine): Case => ({
      name: `a layers model, ${engine}`,
      trainer: (examples) =>
        tensorflowTrainer({
          id: "line",
          model: lineModel,
          loss: "meanSquaredError",
          examples: {
            features: features.slice(0, 2 * examples),
            featureShape: [2],
            labels: Float32Array.of(1, 0, 2, -1e4).slice(0, examples),
            labelShape: [1],
          },
          backends: [engine],
        }),
      parameters: Float32Array.of(0, 0, 0),
      manifest: [
        { name: "kernel", shape: [2, 1] },
        { name: "bias", shape: [1] },
      ],
      learningRate: 0.1,
      gradient: [-2, -4 + 8, -2 - 4],
    }),
  ),
];

function task(one: Case, changes: Level = {}, random: RandomSource = systemRandom()): TrainingTask {
  return {
    parameters: one.parameters,
    manifest: one.manifest,
    settings: { learningRate: String(one.learningRate) },
    updateLength: one.parameters.length,
    state: { get: async () => undefined, put: async () => {} },
    exampleLevel: { parameters: { ...PLAIN, ...changes }, lotSize: 2, random },
    signal: new AbortController().signal,
    onProgress: () => {},
  };
}

for (const one of CASES) {
  t.test(`${one.name}: without noise and clip, a step is that of the summed gradients over the lot size`, async (t) => {
    const trainer = one.trainer(3);
    t.equal(trainer.isExampleLevel, true);
    const { update } = await trainer.train(task(one));
    t.equal(update.length, one.parameters.length);
    one.gradient.forEach((gradient, j) => {
      const due = (-one.learningRate * gradient) / 2;
      t.ok(Math.abs((update[j] ?? 0) - due) < 1e-3, `${update[j]} is near ${due}`);
    });
  });

  t.test(`${one.name}: a wild example moves a step by no more than the clip`, async (t) => {
    const level = { clipNorm: 0.5 };
    const [without, wild] = [
      (await one.trainer(3).train(task(one, level))).update,
      (await one.trainer(4).train(task(one, level))).update,
    ];
    const moved = normL2(wild.map((value, j) => value - (without[j] ?? 0)));
    const most = (one.learningRate * 0.5) / 2;
    t.ok(moved <= most * 1.001, `${moved} of ${most}`);
    t.ok(moved > most * 0.4, "and it does move it");
  });

  t.test(`${one.name}: noise comes from the source that is passed in, at every step`, async (t) => {
    let asked = 0;
    const system = systemRandom();
    const random = {
      fill(bytes: Uint8Array): void {
        asked += bytes.length;
        system.fill(bytes);
      },
    };
    const noisy = { clipNorm: 1, noiseMultiplier: 100, samplingProbability: 0.5, steps: 20 };
    const { update } = await one.trainer(3).train(task(one, noisy, random));
    t.ok(asked > 20 * one.parameters.length, `${asked} random bytes`);
    // σ of each coordinate is about 0.1 · 100 / 2 · √20 = 22; below a thousandth of it in all by chance: < 1e-9.
    t.ok(normL2(update) > 0.02);
  });
}
