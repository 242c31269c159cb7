import type { Kernels } from "../kernels/kernels.js";

/** How a step changes the weights, as `tf.train` of TensorFlow.js has it. */
export type OptimiserSettings =
  | { readonly type: "sgd"; readonly learningRate: number }
  | { readonly type: "momentum"; readonly learningRate: number; readonly momentum: number }
  | { readonly type: "adam"; readonly learningRate: number };

/** The constants of `tf.train.adam`. */
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-7;

/** Vectors beside the weights that an optimiser keeps from step to step. */
export function stateVectors(type: OptimiserSettings["type"]): number {
  return { sgd: 0, momentum: 1, adam: 2 }[type];
}

/** A piece of the weights, of their gradient, and of each of the optimiser's vectors. */
export interface Piece {
  readonly weights: number;
  readonly gradient: number;
  readonly state: readonly number[];
  readonly count: number;
}

/** @param step from 1 */
export function optimise(kernels: Kernels, settings: OptimiserSettings, piece: Piece, step: number): void {
  const { weights, gradient, count } = piece;
  const [first = 0, second = 0] = piece.state;
  switch (settings.type) {
    case "sgd":
      kernels.addScaled(weights, gradient, count, -settings.learningRate);
      break;
    case "momentum":
      kernels.momentumStep(weights, gradient, first, count, settings.learningRate, settings.momentum);
      break;
    case "adam":
      kernels.adamStep(weights, gradient, first, second, count, {
        rate: settings.learningRate,
        beta1: BETA1,
        beta2: BETA2,
        epsilon: EPSILON,
        first: 1 - BETA1 ** step,
        second: 1 - BETA2 ** step,
      });
      break;
  }
}
