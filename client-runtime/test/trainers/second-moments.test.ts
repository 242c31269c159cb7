import fc from "fast-check";
import t, { type Test } from "tap";
import { projectionScores, secondMomentsTrainer, type TrainingTask } from "../../src/index.js";

const manifest = [{ name: "items", shape: [3, 2] }];
/** Items 0, 1, 2 have (3, 0), (0, 4), (1, 1). */
const parameters = Float32Array.of(3, 0, 0, 4, 1, 1);

function task(overrides: Partial<TrainingTask> = {}): TrainingTask {
  return {
    parameters,
    manifest,
    settings: {},
    updateLength: 6,
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
    ...overrides,
  };
}

function close(t: Test, came: Iterable<number>, due: readonly number[]): void {
  const values = [...came];
  t.equal(values.length, due.length);
  for (const [i, value] of values.entries()) t.ok(Math.abs(value - (due[i] ?? 0)) < 1e-6, `${values}, not ${due}`);
}

t.test("an update is the outer product of the items and what the model makes of them, of norm 1", async (t) => {
  const { update } = await secondMomentsTrainer({ items: Int32Array.of(1, 0) }).train(task());
  // Vᵀx = (3, 4), |x|·|Vᵀx| = √2·5.
  const [a, b] = [3 / 5 / Math.SQRT2, 4 / 5 / Math.SQRT2];
  close(t, update, [a, b, a, b, 0, 0]);
});

t.test("whatever the history and the model, no update is longer than 1", async (t) => {
  const [items, factors] = [12, 4];
  const history = fc.uniqueArray(fc.integer({ min: 0, max: items - 1 }), { maxLength: items });
  const values = fc.array(fc.float({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 48, maxLength: 48 });
  await fc.assert(
    fc.asyncProperty(history, values, async (own, model) => {
      const { update } = await secondMomentsTrainer({ items: Int32Array.from(own) }).train(
        task({
          parameters: Float32Array.from(model),
          manifest: [{ name: "items", shape: [items, factors] }],
          updateLength: items * factors,
        }),
      );
      const norm = Math.hypot(...update);
      return norm < 1 + 1e-6 && (norm > 1 - 1e-6 || norm === 0);
    }),
    { numRuns: 100, seed: 1 },
  );
  t.pass("100 histories");
});

t.test("scores are the items projected on the columns' span, however the columns are mixed", async (t) => {
  const own = Int32Array.of(0, 2);
  const wanted = Int32Array.of(2, 1, 0);
  // Of three items and the span of e₁ and (e₂ + e₃)/√2: x = (1, 0, 1) becomes (1, ½, ½).
  const plain = Float32Array.of(1, 0, 0, 1, 0, 1);
  close(t, projectionScores({ parameters: plain, manifest }, own, wanted), [0.5, 0.5, 1]);
  // Columns 2·c₁ + c₂ and −3·c₂.
  const mixed = Float32Array.of(2, 0, 1, -3, 1, -3);
  close(t, projectionScores({ parameters: mixed, manifest }, own, wanted), [0.5, 0.5, 1]);
  const zeroColumn = Float32Array.of(1, 0, 1, 0, 0, 0);
  close(t, projectionScores({ parameters: zeroColumn, manifest }, own, wanted), [0, 0.5, 0.5]);
});

t.test("evaluation says whether the item that was kept back is among the first", async (t) => {
  const trainer = (held: number[]) => secondMomentsTrainer({ items: Int32Array.of(0, 2), held: Int32Array.from(held) });
  const evaluate = (held: number[], top: number): Promise<Float32Array> =>
    trainer(held).evaluate(task({ parameters: Float32Array.of(1, 0, 0, 1, 0, 1), updateLength: 3, settings: { top } }));
  close(t, await evaluate([0, 1, 2], 1), [1, 1, 1]);
  close(t, await evaluate([1, 0], 1), [0, 0, 1]);
  close(t, await evaluate([1, 0], 2), [1, 1 / Math.log2(3), 1]);
  close(t, await evaluate([], 1), [0, 0, 0]);
});

t.test("a participant without items, or one of whose items the model knows nothing, sends zeros", async (t) => {
  const none = await secondMomentsTrainer({ items: new Int32Array() }).train(task());
  t.ok(none.update.every((value) => value === 0));
  const unknown = await secondMomentsTrainer({ items: Int32Array.of(1) }).train(
    task({ parameters: Float32Array.of(1, 1, 0, 0, 1, 1) }),
  );
  t.ok(unknown.update.every((value) => value === 0));
});

t.test("models and data that do not fit each other are refused", async (t) => {
  t.throws(() => secondMomentsTrainer({ items: Int32Array.of(1, 1) }), { code: "BAD_OPTION" });
  t.throws(() => secondMomentsTrainer({ items: Int32Array.of(-1) }), { code: "BAD_OPTION" });
  const trainer = secondMomentsTrainer({ items: Int32Array.of(3) });
  await t.rejects(trainer.train(task()), { code: "WRONG_LENGTH" }, "an item that the model has not");
  const fitting = secondMomentsTrainer({ items: Int32Array.of(1) });
  await t.rejects(fitting.train(task({ updateLength: 5 })), { code: "WRONG_LENGTH" });
  await t.rejects(fitting.evaluate(task({ updateLength: 2 })), { code: "WRONG_LENGTH" });
  await t.rejects(fitting.train(task({ manifest: [{ name: "flat", shape: [6] }] })), { code: "WRONG_LENGTH" });
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1e38]) {
    const broken = task({ parameters: new Float32Array(6).fill(value) });
    const outcome = await fitting.train(broken).then(
      ({ update }) => Math.hypot(...update),
      (cause) => cause.code,
    );
    t.ok(outcome === "NON_FINITE" || outcome <= 1 + 1e-6, `${value}: ${outcome}`);
  }
});
