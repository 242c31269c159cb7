import t, { type Test } from "tap";
import {
  implicitFactorisationTrainer,
  implicitScores,
  implicitUpdateLength,
  type TrainingTask,
} from "../../src/index.js";

/** Two items of one factor: v = (2, 1). With α = ½ and λ = ¼ the user of item 0 has u = 2 / (½·5 + 4 + ¼·(1 + ½·2)) = 2/7. */
const settings = { unobservedWeight: "0.5", ridge: "0.25" };
const manifest = [{ name: "items", shape: [2, 1] }];

function task(overrides: Partial<TrainingTask> = {}): TrainingTask {
  return {
    parameters: Float32Array.of(2, 1),
    manifest,
    settings,
    updateLength: implicitUpdateLength(2, 1),
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
    ...overrides,
  };
}

function close(t: Test, came: Iterable<number>, due: readonly number[]): void {
  const values = [...came];
  t.equal(values.length, due.length);
  for (const [i, value] of values.entries())
    t.ok(Math.abs(value - (due[i] ?? 0)) < 1e-6, `${i}: ${value}, not ${due[i]}`);
}

t.test("an update is the gradient of the observed part, counts, and the user's square", async (t) => {
  const { update } = await implicitFactorisationTrainer({ items: Int32Array.of(0) }).train(task());
  // (u·v₀ − 1)·u = (4/7 − 1)·2/7; one use of item 0; u² and |S|·u².
  close(t, update, [-6 / 49, 0, 1, 0, 4 / 49, 4 / 49]);
});

t.test("with root weighting and scales each part is weighed for the clip", async (t) => {
  const trainer = implicitFactorisationTrainer({ items: Int32Array.of(0, 1) });
  const plain = await trainer.train(task());
  const weighed = await trainer.train(
    task({ settings: { ...settings, weighting: "root", countScale: "0.5", gramScale: "0.1" } }),
  );
  const root = Math.SQRT1_2;
  close(
    t,
    weighed.update,
    [...plain.update].map((value, i) => value * root * (i < 2 ? 1 : i < 4 ? 0.5 : 0.1)),
  );
});

t.test("scores are products with the user's own factors, and evaluation counts ties against the model", async (t) => {
  const model = { parameters: Float32Array.of(2, 1), manifest };
  close(t, implicitScores(model, Int32Array.of(0), Int32Array.of(1, 0), settings), [2 / 7, 4 / 7]);
  const own = Int32Array.of(0);
  const evaluate = (held: number[], top = 10): Promise<Float32Array> =>
    implicitFactorisationTrainer({ items: own, held: Int32Array.from(held) }).evaluate(
      task({ updateLength: 3, settings: { ...settings, top } }),
    );
  close(t, await evaluate([0, 1]), [1, 1, 1]);
  close(t, await evaluate([1, 0]), [1, 1 / Math.log2(3), 1]);
  close(t, await evaluate([1, 1]), [1, 1 / Math.log2(3), 1]);
  close(t, await evaluate([1, 0], 1), [0, 0, 1]);
  close(t, await evaluate([]), [0, 0, 0]);
});

t.test("a participant without items sends zeros", async (t) => {
  const { update } = await implicitFactorisationTrainer({ items: new Int32Array() }).train(task());
  t.ok(update.every((value) => value === 0));
});

t.test("models and data that do not fit each other are refused", async (t) => {
  t.throws(() => implicitFactorisationTrainer({ items: Int32Array.of(1, 1) }), { code: "BAD_OPTION" });
  t.throws(() => implicitFactorisationTrainer({ items: Int32Array.of(-1) }), { code: "BAD_OPTION" });
  const trainer = implicitFactorisationTrainer({ items: Int32Array.of(2) });
  await t.rejects(trainer.train(task()), { code: "WRONG_LENGTH" }, "an item that the model has not");
  const fitting = implicitFactorisationTrainer({ items: Int32Array.of(1) });
  await t.rejects(fitting.train(task({ updateLength: 5 })), { code: "WRONG_LENGTH" });
  await t.rejects(fitting.train(task({ manifest: [{ name: "flat", shape: [2] }] })), { code: "WRONG_LENGTH" });
  await t.rejects(fitting.train(task({ parameters: Float32Array.of(Number.NaN, 1) })), { code: "NON_FINITE" });
});
