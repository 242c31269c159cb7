import t, { type Test } from "tap";
import { strategyFor } from "../../src/strategies/registry.js";
import type { SumStep, SumStrategy } from "../../src/strategies/strategy.js";

const NOTHING = new Float32Array(0);

function strategy(factors: number): SumStrategy {
  const made = strategyFor({ id: "subspace-iteration", settings: { factors } });
  if (made.family !== "sum") throw new Error("expected a strategy for sums");
  return made;
}

function near(t: Test, came: Iterable<number>, due: readonly number[], name: string): void {
  const values = [...came];
  t.equal(values.length, due.length, name);
  due.forEach((value, i) => {
    t.ok(Math.abs((values[i] ?? Number.NaN) - value) < 1e-5, `${name}: expected ${due}, came ${values}`);
  });
}

/** The same column, whichever way it points. */
function upright(values: Float32Array, factors: number): Float32Array {
  const signs = Array.from({ length: factors }, (_, f) => {
    let largest = 0;
    for (let i = f; i < values.length; i += factors) {
      if (Math.abs(values[i] ?? 0) > Math.abs(largest) + 1e-6) largest = values[i] ?? 0;
    }
    return Math.sign(largest) || 1;
  });
  return values.map((value, i) => value * (signs[i % factors] ?? 1));
}

function apply(made: SumStrategy, before: SumStep, sum: Float32Array, step: number, steps: number): SumStep {
  return made.apply({ ...before, sum, divisor: 10, noiseStdDev: 0, step, steps });
}

/** M·V for M = Σ λ·v·vᵀ with v orthonormal cosines over `items`. */
function moments(items: number, weights: readonly number[]) {
  const vectors = weights.map((_, k) =>
    Float64Array.from({ length: items }, (_, i) => {
      return Math.sqrt(2 / items) * Math.cos((Math.PI * (k + 1) * (i + 0.5)) / items);
    }),
  );
  const times = (model: Float32Array): Float32Array => {
    const factors = model.length / items;
    const out = new Float64Array(model.length);
    for (const [k, weight] of weights.entries()) {
      for (let f = 0; f < factors; f++) {
        let along = 0;
        for (let i = 0; i < items; i++) along += (vectors[k]?.[i] ?? 0) * (model[i * factors + f] ?? 0);
        for (let i = 0; i < items; i++) {
          out[i * factors + f] = (out[i * factors + f] ?? 0) + weight * along * (vectors[k]?.[i] ?? 0);
        }
      }
    }
    return Float32Array.from(out);
  };
  return { vectors, times };
}

/** Numbers around 0, the same in every run. */
function drawn(length: number): Float32Array {
  let state = 7;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state / 2 ** 31;
  });
}

t.test("one round of one column: what was summed, of length 1", async (t) => {
  const made = strategy(1);
  t.equal(made.updateLength(2), 2);
  const before = { parameters: Float32Array.of(1, 1), state: NOTHING };
  const { parameters, state } = apply(made, before, Float32Array.of(6, 8), 1, 1);
  near(t, upright(parameters, 1), [0.6, 0.8], "the direction");
  near(t, upright(state, 1), [6, 8], "what is kept");
});

t.test("columns that are not orthogonal become so, and before the last round the shorter is made longer", async (t) => {
  const made = strategy(2);
  const before = { parameters: new Float32Array(6), state: NOTHING };
  // Columns 8·e₁ + 2·e₂ and 2·e₁ + 8·e₂ have the singular vectors (e₁ ± e₂)/√2, of length 10 and 6. Items: e₁, e₂, nobody's.
  const sum = Float32Array.of(8, 2, 2, 8, 0, 0);
  const root = Math.SQRT1_2;
  const last = apply(made, before, sum, 2, 2);
  near(t, last.parameters.map(Math.abs), [root, root, root, root, 0, 0], "orthonormal at the end");
  const inner =
    (last.parameters[0] ?? 0) * (last.parameters[1] ?? 0) + (last.parameters[2] ?? 0) * (last.parameters[3] ?? 0);
  t.ok(Math.abs(inner) < 1e-6);
  const longer = (root * 10) / 6;
  const first = apply(made, before, sum, 1, 2);
  near(t, first.parameters.map(Math.abs), [root, longer, root, longer, 0, 0], "all count alike");
});

t.test("without noise the columns come to span the leading eigenvectors, from random numbers", async (t) => {
  const [items, factors, steps] = [40, 3, 4];
  const { vectors, times } = moments(items, [9, 5, 3, 0.2, 0.1]);
  const made = strategy(factors);
  /** The least part of a leading eigenvector that lies in the span. */
  const spanned = ({ parameters }: SumStep): number => {
    const parts = vectors.slice(0, factors).map((vector) => {
      let part = 0;
      for (let f = 0; f < factors; f++) {
        part += vector.reduce((sum, value, i) => sum + value * (parameters[i * factors + f] ?? 0), 0) ** 2;
      }
      return part;
    });
    return Math.min(...parts);
  };
  let model: SumStep = { parameters: drawn(items * factors), state: NOTHING };
  const first = spanned(apply(made, model, times(model.parameters), 1, 1));
  for (let step = 1; step <= steps; step++) model = apply(made, model, times(model.parameters), step, steps);
  const last = spanned(model);
  t.ok(first < 0.995, `a sketch leaves something out: ${first}`);
  t.ok(last > 0.9999 && last < 1.0001, `four rounds next to nothing: ${last}`);
});

t.test("what earlier rounds found is kept beside what the last one brings", async (t) => {
  const made = strategy(1);
  const first = apply(made, { parameters: new Float32Array(3), state: NOTHING }, Float32Array.of(0, 5, 0), 1, 3);
  const second = apply(made, first, Float32Array.of(0, 0, 4), 2, 3);
  near(t, second.parameters.map(Math.abs), [0, 1, 0], "a longer direction of before");
  const third = apply(made, second, Float32Array.of(0, 12, 0), 3, 3);
  near(t, third.state.map(Math.abs), [0, 13, 0], "agreeing rounds add up as squares");
});

t.test(
  "where there are fewer directions than columns the others are zero, and so is everything of a sum of zeros",
  async (t) => {
    const made = strategy(2);
    const before = { parameters: new Float32Array(4), state: NOTHING };
    near(t, upright(apply(made, before, Float32Array.of(3, 6, 4, 8), 1, 2).parameters, 2), [0.6, 0, 0.8, 0], "one");
    near(t, apply(made, before, new Float32Array(4), 1, 2).parameters, [0, 0, 0, 0], "none");
  },
);

t.test("settings and models that do not fit are refused", async (t) => {
  for (const settings of [{ factors: 0 }, { factors: 1.5 }, { factors: 257 }, { factor: 4 }]) {
    t.throws(() => strategyFor({ id: "subspace-iteration", settings }), { code: "BAD_PLAN" });
  }
  const odd = { parameters: new Float32Array(3), state: NOTHING };
  t.throws(() => apply(strategy(2), odd, new Float32Array(3), 1, 1), {
    code: "BAD_PLAN",
    message: /items × 2.*came 3/,
  });
});
