// Layers that change the shape only: their output lies where their input does.
import { type Batch, type CompiledLayer, type LayerCompiler, onlyInput, sizeOf, unsupported } from "../plan/step.js";

function reshaped(input: Batch, shape: readonly number[]): CompiledLayer {
  return {
    output: { at: input.at, shape, size: input.size },
    forward: () => {},
    backward(outputGradient, [inputGradient]) {
      return (kernels, examples) => {
        if (inputGradient === undefined) return;
        kernels.heap.copyWithin(inputGradient, outputGradient, outputGradient + examples * input.size);
      };
    },
  };
}

/** All values of an example in one row. */
export const flatten: LayerCompiler = (config, inputs) => {
  const input = onlyInput(inputs);
  if (config.data_format === "channels_first" || config.data_format === "channelsFirst") {
    throw unsupported("flattening with channels first");
  }
  return reshaped(input, [input.size]);
};

/** Another shape; one extent may be open. */
export const reshape: LayerCompiler = (config, inputs) => {
  const input = onlyInput(inputs);
  const target = config.target_shape;
  if (!Array.isArray(target)) throw unsupported("a shape that is no list");
  const wanted = target.map((extent: unknown) => (typeof extent === "number" ? extent : -1));
  const known = sizeOf(wanted.filter((extent) => extent > 0));
  const shape = wanted.map((extent) => (extent > 0 ? extent : input.size / known));
  if (sizeOf(shape) !== input.size || !shape.every(Number.isInteger)) {
    throw unsupported(`a shape ${JSON.stringify(wanted)} for ${input.size} values`);
  }
  return reshaped(input, shape);
};

/** What training leaves out at random is nothing at a rate of 0. */
export const dropout: LayerCompiler = (config, inputs) => {
  if (config.rate !== 0) throw unsupported("dropout: its random numbers are the backend's own");
  const input = onlyInput(inputs);
  return reshaped(input, input.shape);
};
