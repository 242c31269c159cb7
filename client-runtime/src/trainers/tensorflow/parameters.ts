// A layers model's weights as one flat vector, and back.
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { ClientError } from "../../errors.js";
import type { TensorShape } from "../../models/safetensors.js";

/** Number of values in a tensor of this shape. */
function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Names and shapes of a model's weights in the order in which they lie in the flat vector: what a model file needs. */
export function modelManifest(model: LayersModel): TensorShape[] {
  return model.weights.map(({ name, shape }) => ({ name, shape: shape.map((extent) => extent ?? 1) }));
}

/** All weights of a model, flat. */
export async function modelParameters(model: LayersModel): Promise<Float32Array> {
  const manifest = modelManifest(model);
  const parameters = new Float32Array(manifest.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
  let offset = 0;
  for (const weight of model.weights) {
    const values = await weight.read().data();
    parameters.set(values, offset);
    offset += values.length;
  }
  return parameters;
}

/**
 * Overwrites all weights of a model.
 *
 * @throws ClientError WRONG_LENGTH when the round's model has other shapes than the app's
 */
export function writeParameters(model: LayersModel, parameters: Float32Array, manifest: readonly TensorShape[]): void {
  const own = modelManifest(model).map(({ shape }) => shape);
  const came = manifest.map(({ shape }) => shape);
  // Weights are named anew in every process; their order and shapes are what a model is.
  if (JSON.stringify(own) !== JSON.stringify(came)) {
    throw new ClientError(
      "WRONG_LENGTH",
      `expected a model of the app's shapes ${JSON.stringify(own)}, came ${JSON.stringify(came)}`,
    );
  }
  let offset = 0;
  tf.tidy(() => {
    for (const [at, weight] of model.weights.entries()) {
      const shape = [...(own[at] ?? [])];
      const size = sizeOf(shape);
      weight.write(tf.tensor(parameters.subarray(offset, offset + size), shape));
      offset += size;
    }
  });
}
