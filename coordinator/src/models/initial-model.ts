import { createHash } from "node:crypto";
import type { PopulationPlan } from "../plan/population-plan.js";
import { shapeSize } from "./safetensors.js";

/**
 * The parameters before any round. They are public and follow from the plan alone: a coordinator that starts again makes the
 * same. `glorot-uniform` draws tensors of two or more dimensions uniformly within ±√(6/(in + out)) (Glorot and Bengio 2010,
 * equation 16), in and out as Keras counts them, and leaves others at 0; so it does with SCAFFOLD's control variates.
 */
export function initialParameters({ model, strategy }: Pick<PopulationPlan, "model" | "strategy">): Float32Array {
  const { tensors, parameters, init, seed } = model;
  const values = new Float32Array(parameters);
  if (init === "zeros") return values;
  const drawn = strategy.id === "scaffold" ? tensors.slice(0, tensors.length / 2) : tensors;
  let at = 0;
  for (const [number, { shape }] of drawn.entries()) {
    const size = shapeSize(shape);
    if (shape.length >= 2) uniformInto(values.subarray(at, at + size), glorotLimit(shape), `${seed}/${number}`);
    at += size;
  }
  return values;
}

function glorotLimit(shape: readonly number[]): number {
  const receptive = shapeSize(shape.slice(0, -2));
  const [into = 1, out = 1] = shape.slice(-2);
  return Math.sqrt(6 / (receptive * (into + out)));
}

/** Words of SHA-256 over a name and a counter: the same on every machine, and protecting nobody. */
function uniformInto(values: Float32Array, limit: number, name: string): void {
  for (let at = 0; at < values.length; at += 8) {
    const block = createHash("sha256").update(`fedloop-initial-model/v1/${name}/${at}`).digest();
    const end = Math.min(8, values.length - at);
    for (let i = 0; i < end; i++) values[at + i] = limit * (block.readUInt32LE(4 * i) / 2 ** 31 - 1);
  }
}
