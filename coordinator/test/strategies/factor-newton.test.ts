import t, { type Test } from "tap";
import { strategyFor } from "../../src/strategies/registry.js";
import type { SumResult } from "../../src/strategies/strategy.js";

function result(parameters: Float32Array, sum: Float32Array, divisor: number): SumResult {
  return { parameters, sum, divisor, noiseStdDev: 0, step: 1, steps: 1, state: new Float32Array(0) };
}

function near(t: Test, came: number | undefined, due: number): void {
  t.ok(Math.abs((came ?? Number.NaN) - due) < 1e-5, `${came}, not ${due}`);
}

t.test("one step for one user, by hand", async (t) => {
  // The update of the user in client-runtime/test/trainers/implicit-factorisation.test.ts: u = 2/7, items 2 and 1.
  const strategy = strategyFor({ id: "factor-newton", settings: { factors: 1, unobservedWeight: 0.5, ridge: 0.25 } });
  t.equal(strategy.updateLength(2), 6);
  const sum = Float32Array.of(-6 / 49, 0, 1, 0, 4 / 49, 4 / 49);
  const { parameters } = strategy.apply(result(Float32Array.of(2, 1), sum, 1));
  // Item 0: ρ = ¼·(1 + ½), H = ½·4/49 + 4/49 + ρ, gradient −6/49 + ½·4/49·2 + 2ρ.
  const [rho, gram] = [0.375, 2 / 49];
  near(t, parameters[0], 2 - (-6 / 49 + 2 * gram + 2 * rho) / (gram + 4 / 49 + rho));
  // Nobody used item 1: everything pulls it to 0, and in one step it is there.
  near(t, parameters[1], 0);
});

t.test("where all users are alike a step ends where alternating least squares does", async (t) => {
  const [alpha, ridge, users] = [0.3, 0.1, 4];
  const u = [0.4, -0.7];
  const strategy = strategyFor({ id: "factor-newton", settings: { factors: 2, unobservedWeight: alpha, ridge } });
  const v = [0.5, 0.2, -0.3, 0.9, 0.1, 0.1];
  const used = [1, 1, 0];
  const gradient = used.flatMap((is, i) => {
    const error = (v[2 * i] ?? 0) * (u[0] ?? 0) + (v[2 * i + 1] ?? 0) * (u[1] ?? 0) - 1;
    return u.map((value) => is * users * error * value);
  });
  const square = [0.16, -0.28, 0.49].map((value) => value * users);
  const sum = Float32Array.from([
    ...gradient,
    ...used.map((is) => is * users),
    ...square,
    ...square.map((value) => 2 * value),
  ]);
  const { parameters } = strategy.apply(result(Float32Array.from(v), sum, users));
  for (const [i, is] of used.entries()) {
    // (α·n·u·uᵀ + n_i·u·uᵀ + ρ)·v = n_i·u
    const along =
      (alpha * users + is * users) *
      ((u[0] ?? 0) * (parameters[2 * i] ?? 0) + (u[1] ?? 0) * (parameters[2 * i + 1] ?? 0));
    const rho = ridge * (is * users + alpha * users);
    for (const f of [0, 1]) near(t, along * (u[f] ?? 0) + rho * (parameters[2 * i + f] ?? 0), is * users * (u[f] ?? 0));
  }
});

t.test("scaled counts and squares are scaled back", async (t) => {
  const settings = { factors: 1, unobservedWeight: 0.5, ridge: 0.25 };
  const sum = Float32Array.of(-6 / 49, 0, 1, 0, 4 / 49, 4 / 49);
  const scaled = sum.map((value, i) => value * (i < 2 ? 1 : i < 4 ? 0.5 : 0.1));
  const plain = strategyFor({ id: "factor-newton", settings }).apply(result(Float32Array.of(2, 1), sum, 1));
  const same = strategyFor({ id: "factor-newton", settings: { ...settings, countScale: 0.5, gramScale: 0.1 } }).apply(
    result(Float32Array.of(2, 1), scaled, 1),
  );
  near(t, same.parameters[0], plain.parameters[0] ?? 0);
});

t.test("noise that makes curvatures negative gives finite steps", async (t) => {
  const strategy = strategyFor({ id: "factor-newton", settings: { factors: 2, unobservedWeight: 0.2, ridge: 0.01 } });
  const sum = Float32Array.from({ length: 4 + 2 + 6 }, (_, i) => (i % 2 === 0 ? -50 : 40));
  const begun = Float32Array.of(1, -1, 0.5, 2);
  const farthest = (noiseStdDev: number): number => {
    const { parameters } = strategy.apply({ ...result(begun, sum, 10), noiseStdDev });
    return Math.max(...parameters.map((value, i) => Math.abs(value - (begun[i] ?? 0))));
  };
  const [bare, floored, more] = [farthest(0), farthest(40), farthest(400)];
  t.ok([bare, floored, more].every(Number.isFinite));
  t.ok(bare > floored && floored > more, `the more noise, the shorter the step: ${bare}, ${floored}, ${more}`);
});

t.test("a number of factors that is none is refused", async (t) => {
  t.throws(() => strategyFor({ id: "factor-newton", settings: { factors: 0.5 } }), { code: "BAD_PLAN" });
});
