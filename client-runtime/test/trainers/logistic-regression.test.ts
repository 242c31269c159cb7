import t from "tap";
import { type LabelledRows, logisticRegressionTrainer, type TrainingTask } from "../../src/index.js";

const rows: LabelledRows = {
  features: Float32Array.of(1, 2, -1, 0.5, 0, -2, 3, 1),
  labels: Uint8Array.of(1, 0, 1, 0),
  held: Uint8Array.of(0, 0, 0, 1),
};

function task(overrides: Partial<TrainingTask> = {}): TrainingTask {
  return {
    parameters: Float32Array.of(0.2, -0.1, 0.3),
    manifest: [],
    settings: {},
    updateLength: 3,
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
    ...overrides,
  };
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

t.test("an update is the gradient step of the log loss over the training rows", async (t) => {
  const errors = [1 - sigmoid(0.3), 0 - sigmoid(0.05), 1 - sigmoid(0.5)];
  const sums = [errors[0] ?? 0, errors[1] ?? 0, errors[2] ?? 0];
  const gradient = [
    (sums[0] ?? 0) - (sums[1] ?? 0),
    2 * (sums[0] ?? 0) + 0.5 * (sums[1] ?? 0) - 2 * (sums[2] ?? 0),
    sums.reduce((a, b) => a + b, 0),
  ];
  const scales = { mean: 1 / 3, root: 1 / Math.sqrt(3), sum: 1 };
  for (const [weighting, scale] of Object.entries(scales)) {
    const settings = { weighting, learningRate: "0.5" };
    const { update } = await logisticRegressionTrainer(rows).train(task({ settings }));
    gradient.forEach((value, j) => {
      t.ok(Math.abs((update[j] ?? 0) - 0.5 * scale * value) < 1e-6, `${weighting} ${j}`);
    });
  }
});

t.test("more epochs are more steps, and training lowers the loss", async (t) => {
  const all = { ...rows, held: Uint8Array.of(1, 1, 1, 1) };
  const loss = async (parameters: Float32Array): Promise<number> =>
    (await logisticRegressionTrainer(all).evaluate(task({ parameters, updateLength: 3 })))[0] ?? Number.NaN;
  const trained = async (epochs: number): Promise<number> => {
    const { update } = await logisticRegressionTrainer({ ...rows, held: new Uint8Array(4) }).train(
      task({ settings: { epochs } }),
    );
    return loss(task().parameters.map((value, j) => value + (update[j] ?? 0)));
  };
  const [before, once, often] = [await loss(task().parameters), await trained(1), await trained(20)];
  t.ok(before > once && once > often, `${before} > ${once} > ${often}`);
});

t.test("an evaluation holds mean loss, share right and one, over what was held back", async (t) => {
  const probability = sigmoid(0.6 - 0.1 + 0.3);
  const [loss, right, count] = await logisticRegressionTrainer(rows).evaluate(task({ settings: { lossScale: 2 } }));
  t.ok(Math.abs((loss ?? 0) + 2 * Math.log(1 - probability)) < 1e-6);
  t.same([right, count], [0, 1]);
  const nobody = { features: new Float32Array(0), labels: new Uint8Array(0), held: new Uint8Array(0) };
  t.same([...(await logisticRegressionTrainer(nobody).evaluate(task()))], [0, 0, 0], "who has nothing counts nothing");
  t.same([...(await logisticRegressionTrainer(nobody).train(task())).update], [0, 0, 0]);
});

t.test("what does not fit is refused", async (t) => {
  const code = { code: "BAD_OPTION" };
  t.throws(() => logisticRegressionTrainer({ ...rows, labels: Uint8Array.of(1, 0, 2, 0) }), code);
  t.throws(() => logisticRegressionTrainer({ ...rows, held: new Uint8Array(3) }), code);
  t.throws(() => logisticRegressionTrainer({ ...rows, features: new Float32Array(7) }), code);
  const trainer = logisticRegressionTrainer(rows);
  await t.rejects(trainer.train(task({ updateLength: 6 })), { code: "WRONG_LENGTH" });
  await t.rejects(trainer.train(task({ parameters: new Float32Array(4) })), { code: "WRONG_LENGTH" });
  await t.rejects(trainer.evaluate(task({ updateLength: 2 })), { code: "WRONG_LENGTH" });
});

t.test(
  "where the metric is auc, an evaluation holds histograms of scores, and nothing else that is asked",
  async (t) => {
    const all = { ...rows, held: Uint8Array.of(1, 1, 1, 1) };
    const settings = { report: "scores" };
    const trainer = logisticRegressionTrainer(all);
    // Scores σ(.3), σ(.05), σ(.5), σ(.8): all in the upper half, of the labels 1, 0, 1, 0.
    t.same([...(await trainer.evaluate(task({ settings, updateLength: 4 })))], [0, 0.5, 0, 0.5]);
    // In eight bins σ(.8) = .69 is beyond the others.
    t.same(
      [...(await trainer.evaluate(task({ settings, updateLength: 16 })))].map((share) => share * 4).join(""),
      "0000200000001100",
    );
    await t.rejects(trainer.evaluate(task({ settings, updateLength: 3 })), { code: "WRONG_LENGTH" });
    await t.rejects(trainer.evaluate(task({ settings: { report: "rows" } })), { code: "GUARD_UNSUPPORTED" });
    const broken = task({ settings, updateLength: 4, parameters: Float32Array.of(Number.NaN, 0, 0) });
    await t.rejects(trainer.evaluate(broken), { code: "NON_FINITE" });
  },
);
