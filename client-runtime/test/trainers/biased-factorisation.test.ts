import fc from "fast-check";
import t from "tap";
import { biasedFactorisationTrainer, type Ratings, type TrainingTask } from "../../src/index.js";

const ITEMS = 4;

const ratings: Ratings = {
  items: Int32Array.of(0, 1, 1, 3, 2),
  ratings: Float32Array.of(5, 3, 4, 1, 2),
  held: Uint8Array.of(0, 0, 0, 0, 1),
};

function task(overrides: Partial<TrainingTask> = {}): TrainingTask {
  return {
    parameters: Float32Array.of(0.5, -0.5, 0.25, 0, 0.1),
    manifest: [],
    settings: {},
    updateLength: 2 * (ITEMS + 1),
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
    ...overrides,
  };
}

function near(t: { ok(value: boolean, message: string): unknown }, came: Float32Array, due: readonly number[]): void {
  const distance = Math.max(...due.map((value, i) => Math.abs(value - (came[i] ?? Number.NaN))));
  t.ok(came.length === due.length && distance < 1e-5, `${[...came]} is near ${due}`);
}

t.test("an update holds gradient and scaled curvature of the squared error, item by item", async (t) => {
  // Residuals against 3 + 0.1 + b: 1.4, 0.4, 1.4, −2.1; user effect 1.1 / (4 + 12).
  const u = 1.1 / 16;
  const { update } = await biasedFactorisationTrainer(ratings).train(task());
  const gradient = [1.4 - u, 0.4 + 1.4 - 2 * u, 0, -2.1 - u, (1.1 - 4 * u) / 4];
  near(t, update, [...gradient, 0.3, 0.6, 0, 0.3, 0.3]);
});

t.test("the gradient is that of the squared error, by finite differences", async (t) => {
  const trainer = biasedFactorisationTrainer(ratings);
  // With an infinite ridge there is no user effect, and half the squared error has the gradient −g.
  const settings = { userRidge: "1e30" };
  const { update } = await trainer.train(task({ settings }));
  const loss = (parameters: Float32Array): number => {
    let sum = 0;
    ratings.items.forEach((item, i) => {
      if (ratings.held[i] === 1) return;
      sum += ((ratings.ratings[i] ?? 0) - 3 - (parameters[ITEMS] ?? 0) - (parameters[item] ?? 0)) ** 2 / 2;
    });
    return sum;
  };
  for (let item = 0; item < ITEMS; item++) {
    const up = task().parameters;
    const down = task().parameters;
    up[item] = (up[item] ?? 0) + 1e-2;
    down[item] = (down[item] ?? 0) - 1e-2;
    const slope = (loss(up) - loss(down)) / 2e-2;
    t.ok(Math.abs(slope + (update[item] ?? 0)) < 1e-3, `item ${item}`);
  }
});

t.test("an evaluation holds the centred squared error and the scaled count of what was held back", async (t) => {
  const u = 1.1 / 16;
  const error = 2 - (3 + 0.1 + 0.25 + u);
  const sums = await biasedFactorisationTrainer(ratings).evaluate(task({ updateLength: 2 }));
  near(t, sums, [error * error - 1.45, 0.5]);
});

t.test("predictions stay within the scale of ratings", async (t) => {
  const sums = await biasedFactorisationTrainer(ratings).evaluate(
    task({ parameters: Float32Array.of(0, 0, 100, 0, 0), updateLength: 2, settings: { centre: "0" } }),
  );
  near(t, sums, [9, 0.5]);
});

t.test("held-back ratings do not train", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.float({ min: 1, max: 5, noNaN: true }), async (value) => {
      const other = { ...ratings, ratings: Float32Array.of(5, 3, 4, 1, value) };
      const { update } = await biasedFactorisationTrainer(other).train(task());
      const { update: same } = await biasedFactorisationTrainer(ratings).train(task());
      return update.every((number, i) => number === same[i]);
    }),
    { seed: 22, numRuns: 20 },
  );
  t.pass();
});

t.test("without ratings to train on the update is zero", async (t) => {
  const nobody = { items: new Int32Array(0), ratings: new Float32Array(0), held: new Uint8Array(0) };
  const { update } = await biasedFactorisationTrainer(nobody).train(task());
  t.same(update, new Float32Array(10));
});

t.test("rounds of Newton steps on the sum of updates reach the least squares of two participants", async (t) => {
  const other = { ...ratings, ratings: Float32Array.of(1, 2, 2, 5, 4), held: new Uint8Array(5) };
  const trainers = [biasedFactorisationTrainer(ratings), biasedFactorisationTrainer(other)];
  const parameters = new Float32Array(ITEMS + 1);
  for (let round = 0; round < 50; round++) {
    const sum = new Float32Array(2 * parameters.length);
    for (const trainer of trainers) {
      const { update } = await trainer.train(task({ parameters, settings: { userRidge: "1e30" } }));
      update.forEach((value, i) => {
        sum[i] = (sum[i] ?? 0) + value;
      });
    }
    for (let item = 0; item < ITEMS; item++) {
      const curvature = (sum[parameters.length + item] ?? 0) / 0.3;
      parameters[item] = (parameters[item] ?? 0) + (sum[item] ?? 0) / curvature;
    }
  }
  near(t, parameters.subarray(0, ITEMS), [0, 2.75 - 3, 4 - 3, 0]);
});

t.test("a model with fewer items than were rated is refused, as are lengths that do not fit", async (t) => {
  const trainer = biasedFactorisationTrainer(ratings);
  const parameters = new Float32Array(3);
  await t.rejects(trainer.train(task({ parameters, updateLength: 6 })), { code: "WRONG_LENGTH" });
  await t.rejects(trainer.train(task({ updateLength: 5 })), { code: "WRONG_LENGTH" });
  await t.rejects(trainer.evaluate(task()), { code: "WRONG_LENGTH" });
  t.throws(() => biasedFactorisationTrainer({ ...ratings, held: new Uint8Array(4) }), { code: "BAD_OPTION" });
  t.throws(() => biasedFactorisationTrainer({ ...ratings, items: Int32Array.of(0, 1, 1, -3, 2) }), {
    code: "BAD_OPTION",
  });
});

t.test("settings that are no numbers are refused by name", async (t) => {
  const trainer = biasedFactorisationTrainer(ratings);
  for (const userRidge of ["", "twelve", true, "Infinity"]) {
    await t.rejects(trainer.train(task({ settings: { userRidge } })), {
      code: "GUARD_UNSUPPORTED",
      message: /userRidge/,
    });
  }
});
