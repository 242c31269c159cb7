// Models of recommenders: a vector for each item, with which a device makes its user's own.
import { ClientError } from "../errors.js";
import type { TrainingTask } from "./trainer.js";

/** Row after row, a row an item. */
export interface ItemFactors {
  readonly values: Float32Array;
  readonly items: number;
  readonly factors: number;
}

/** @throws ClientError WRONG_LENGTH for a model that is not one tensor, items × factors */
export function itemFactors({ parameters, manifest }: Pick<TrainingTask, "parameters" | "manifest">): ItemFactors {
  const [tensor, ...others] = manifest;
  const [items, factors, ...more] = tensor?.shape ?? [];
  if (items === undefined || factors === undefined || more.length > 0 || others.length > 0) {
    throw new ClientError("WRONG_LENGTH", "expected a model of one tensor, items × factors");
  }
  return { values: parameters, items, factors };
}

/** @throws ClientError WRONG_LENGTH */
export function requireItems(items: Int32Array, count: number): void {
  if (items.every((item) => item < count)) return;
  throw new ClientError("WRONG_LENGTH", `expected a model of all the participant's items, came one of ${count}`);
}

/** Σ v·vᵀ over all items: the same for every device of one process that trains on the same model. */
const grams = new WeakMap<Float32Array, Float64Array>();

/** Its lower triangle, in a square. */
export function gramOf({ values, items, factors }: ItemFactors): Float64Array {
  const known = grams.get(values);
  if (known !== undefined) return known;
  const gram = new Float64Array(factors * factors);
  for (let item = 0; item < items; item++) addOuter(gram, values, item * factors, factors, 1);
  grams.set(values, gram);
  return gram;
}

/** Adds scale·v·vᵀ to a lower triangle, v being `factors` values from `at` on. */
export function addOuter(sum: Float64Array, values: Float32Array, at: number, factors: number, scale: number): void {
  for (let a = 0; a < factors; a++) {
    const left = scale * (values[at + a] ?? 0);
    for (let b = 0; b <= a; b++) sum[a * factors + b] = (sum[a * factors + b] ?? 0) + left * (values[at + b] ?? 0);
  }
}

/** The sum of some items' rows. */
export function sumOfRows({ values, factors }: ItemFactors, items: Int32Array): Float64Array {
  const sum = new Float64Array(factors);
  for (const item of items) {
    for (let f = 0; f < factors; f++) sum[f] = (sum[f] ?? 0) + (values[item * factors + f] ?? 0);
  }
  return sum;
}

/** Solves A·x = b for a positive definite A, of which the lower triangle is given and overwritten (Cholesky). */
export function solve(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = a[i * n + j] ?? 0;
      for (let k = 0; k < j; k++) sum -= (a[i * n + k] ?? 0) * (a[j * n + k] ?? 0);
      a[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-30)) : sum / (a[j * n + j] ?? 1);
    }
  }
  for (let i = 0; i < n; i++) {
    let sum = b[i] ?? 0;
    for (let k = 0; k < i; k++) sum -= (a[i * n + k] ?? 0) * (b[k] ?? 0);
    b[i] = sum / (a[i * n + i] ?? 1);
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i] ?? 0;
    for (let k = i + 1; k < n; k++) sum -= (a[k * n + i] ?? 0) * (b[k] ?? 0);
    b[i] = sum / (a[i * n + i] ?? 1);
  }
  return b;
}

/** The score of an item for a user. */
export function product(user: Float64Array, { values, factors }: ItemFactors, item: number): number {
  let sum = 0;
  for (let f = 0; f < factors; f++) sum += (user[f] ?? 0) * (values[item * factors + f] ?? 0);
  return sum;
}
