// Losses and their gradients in the model's output, as TensorFlow.js layers define them (losses.ts of tfjs-layers 4.22).

/** A loss by the name that TensorFlow.js layers have for it. */
export type LossName = "meanSquaredError" | "binaryCrossentropy" | "categoricalCrossentropy";

/** Predictions and targets of `rows` rows, `columns` values each. */
export interface Scored {
  readonly heap: Float32Array;
  readonly predictions: number;
  readonly targets: number;
  readonly rows: number;
  readonly columns: number;
}

/** Probabilities are kept this far from 0 and 1, the epsilon of TensorFlow.js at 32 bits. */
const EPSILON = 1e-7;

/**
 * @param gradient where the gradient of the mean over all rows is written; none is where it is undefined
 * @returns the mean loss of a row
 */
type Loss = (scored: Scored, gradient: number | undefined) => number;

const meanSquaredError: Loss = ({ heap, predictions, targets, rows, columns }, gradient) => {
  const count = rows * columns;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const error = (heap[predictions + i] ?? 0) - (heap[targets + i] ?? 0);
    sum += error * error;
    if (gradient !== undefined) heap[gradient + i] = (2 * error) / count;
  }
  return sum / count;
};

const binaryCrossentropy: Loss = ({ heap, predictions, targets, rows, columns }, gradient) => {
  const count = rows * columns;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const prediction = heap[predictions + i] ?? 0;
    const target = heap[targets + i] ?? 0;
    const clipped = Math.min(Math.max(prediction, EPSILON), 1 - EPSILON);
    sum -= target * Math.log(clipped) + (1 - target) * Math.log(1 - clipped);
    if (gradient === undefined) continue;
    heap[gradient + i] = clipped === prediction ? (prediction - target) / (prediction * (1 - prediction)) / count : 0;
  }
  return sum / count;
};

/** Of a row p and its sum s: −Σ t·log(clip(p/s)). */
const categoricalCrossentropy: Loss = ({ heap, predictions, targets, rows, columns }, gradient) => {
  let loss = 0;
  for (let row = 0; row < rows; row++) {
    const p = predictions + row * columns;
    const t = targets + row * columns;
    let sum = 0;
    for (let i = 0; i < columns; i++) sum += heap[p + i] ?? 0;
    // Σ of the targets whose probability was not clipped: through the sum, every prediction feels them.
    let felt = 0;
    for (let i = 0; i < columns; i++) {
      const target = heap[t + i] ?? 0;
      if (target === 0 && gradient === undefined) continue;
      const share = (heap[p + i] ?? 0) / sum;
      const inside = share >= EPSILON && share <= 1 - EPSILON;
      loss -= target === 0 ? 0 : target * Math.log(Math.min(Math.max(share, EPSILON), 1 - EPSILON));
      if (inside) felt += target;
      if (gradient !== undefined)
        heap[gradient + row * columns + i] = inside ? -target / ((heap[p + i] ?? 0) * rows) : 0;
    }
    if (gradient === undefined) continue;
    const through = felt / (sum * rows);
    for (let i = gradient + row * columns; i < gradient + (row + 1) * columns; i++) heap[i] = (heap[i] ?? 0) + through;
  }
  return loss / rows;
};

export const losses: { readonly [Name in LossName]: Loss } = {
  meanSquaredError,
  binaryCrossentropy,
  categoricalCrossentropy,
};
