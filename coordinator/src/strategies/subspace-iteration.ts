import { CoordinatorError } from "../errors.js";
import { numberSettings } from "./settings.js";
import type { StrategySettings, SumResult, SumStep, SumStrategy } from "./strategy.js";
import { symmetricEigenpairs } from "./symmetric-eigenpairs.js";

/** A direction shorter than this part of the longest is rounding, and no direction. */
const LEAST_PART = 1e-4;

/** Eigenvectors where the plan names no number. */
export const DEFAULT_FACTORS = 16;

/** With more of them the eigenproblem of twice as many rows takes many seconds. */
const MOST_FACTORS = 256;

/**
 * The span of the leading eigenvectors of a second-moment matrix M that stays on devices, by subspace iteration under noise (Hardt and Price, The
 * Noisy Power Method, 2014). The trainer second-moments sends its part of Y = M·V for the model V, items × factors, at first
 * random: then Y alone is a sketch of M (Halko, Martinsson, Tropp 2011). With Y_t, noise included, of each round
 *
 *   [U·S | Y_t] = U'·S'·W'ᵀ                    singular values, the leading `factors` kept; at first Y_1 alone
 *   V ← U'·(S'₁/S')                            before the last round
 *   V ← U'                                     after it
 *
 * U·S keeps what earlier rounds found, so that R rounds with noise √R·σ tell about as much as one with σ of the same
 * vectors, which only the later rounds look at. Dividing by S' has all directions count alike in the next round: a device scales what
 * it sends to norm 1, and without it most of that would go to the first direction, which is what is popular, and known first.
 */
export function subspaceIteration(settings: StrategySettings): SumStrategy {
  const { factors } = numberSettings("subspace-iteration", settings, {
    factors: { fallback: DEFAULT_FACTORS, minimum: 1, maximum: MOST_FACTORS, isWhole: true },
  });
  return {
    family: "sum",
    id: "subspace-iteration",
    updateLength: (parameters) => parameters,
    apply: (result) => iterate(result, factors),
  };
}

function iterate({ parameters, sum, state, step, steps }: SumResult, factors: number): SumStep {
  const items = parameters.length / factors;
  if (!Number.isInteger(items)) {
    throw new CoordinatorError(
      "BAD_PLAN",
      `expected a model of items × ${factors}, as strategy.settings.factors says, came ${parameters.length} parameters`,
    );
  }
  const blocks = state.length === 0 ? [sum] : [state, sum];
  const { directions, lengths } = leadingDirections(blocks, items, factors);
  const longest = lengths[0] ?? 0;
  const isLast = step >= steps;
  const next = new Float32Array(parameters.length);
  const found = new Float32Array(parameters.length);
  for (let i = 0; i < next.length; i++) {
    const length = lengths[i % factors] ?? 0;
    const value = directions[i] ?? 0;
    next[i] = isLast || length === 0 ? value : (value * longest) / length;
    found[i] = value * length;
  }
  return { parameters: next, state: found };
}

interface Directions {
  /** Orthonormal columns, items × factors, row after row; zeros where there are no more directions. */
  readonly directions: Float64Array;
  /** Their singular values, largest first. */
  readonly lengths: Float64Array;
}

/** The leading left singular vectors of blocks side by side, each items × factors, from the eigenvectors of their small Gram matrix. */
function leadingDirections(blocks: readonly Float32Array[], items: number, factors: number): Directions {
  const width = blocks.length * factors;
  const row = new Float64Array(width);
  const read = (item: number): Float64Array => {
    for (const [b, block] of blocks.entries()) {
      for (let f = 0; f < factors; f++) row[b * factors + f] = block[item * factors + f] ?? 0;
    }
    return row;
  };
  const gram = new Float64Array(width * width);
  for (let item = 0; item < items; item++) {
    const values = read(item);
    for (let a = 0; a < width; a++) {
      const left = values[a] ?? 0;
      for (let b = 0; b < width; b++) gram[a * width + b] = (gram[a * width + b] ?? 0) + left * (values[b] ?? 0);
    }
  }
  const { values: squares, vectors } = symmetricEigenpairs(gram, width);
  const longest = Math.sqrt(Math.max(squares[0] ?? 0, 0));
  const lengths = Float64Array.from({ length: factors }, (_, f) => {
    const length = Math.sqrt(Math.max(squares[f] ?? 0, 0));
    return length > LEAST_PART * longest ? length : 0;
  });
  const directions = new Float64Array(items * factors);
  for (let item = 0; item < items; item++) {
    const values = read(item);
    for (const [f, length] of lengths.entries()) {
      if (length === 0) continue;
      let along = 0;
      for (let a = 0; a < width; a++) along += (values[a] ?? 0) * (vectors[f]?.[a] ?? 0);
      directions[item * factors + f] = along / length;
    }
  }
  return { directions, lengths };
}
