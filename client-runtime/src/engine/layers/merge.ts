// Layers that join several inputs.
import { allocateBatch, type Batch, type LayerCompiler, unsupported } from "../plan/step.js";
import { flagSetting } from "./settings.js";

function alike(inputs: readonly Batch[]): Batch {
  const [first] = inputs;
  if (first === undefined || inputs.some(({ shape }) => shape.join() !== first.shape.join())) {
    throw unsupported("joining inputs of different shapes");
  }
  return first;
}

/** The sum of inputs of one shape. */
export const add: LayerCompiler = (_config, inputs, context) => {
  const { shape, size } = alike(inputs);
  const output = allocateBatch(context, shape);
  return {
    output,
    forward(kernels, examples) {
      kernels.heap.fill(0, output.at, output.at + examples * size);
      for (const { at } of inputs) kernels.addScaled(output.at, at, examples * size, 1);
    },
    backward(outputGradient, inputGradients) {
      return ({ heap }, examples) => {
        for (const gradient of inputGradients) {
          if (gradient !== undefined) heap.copyWithin(gradient, outputGradient, outputGradient + examples * size);
        }
      };
    },
  };
};

/** Inputs one after the other along the last axis. */
export const concatenate: LayerCompiler = (config, inputs, context) => {
  const axis = config.axis ?? -1;
  const [first] = inputs;
  const rest = first?.shape.slice(0, -1) ?? [];
  if (first === undefined || inputs.some(({ shape }) => shape.slice(0, -1).join() !== rest.join())) {
    throw unsupported("joining inputs of different shapes");
  }
  if (axis !== -1 && axis !== first.shape.length) throw unsupported("joining along another axis than the last");
  const widths = inputs.map(({ shape }) => shape.at(-1) ?? 1);
  const width = widths.reduce((sum, each) => sum + each, 0);
  const rows = first.size / (widths[0] ?? 1);
  const output = allocateBatch(context, [...rest, width]);
  let from = 0;
  const parts = inputs.map(({ at }, i) => {
    const part = { at, from, width: widths[i] ?? 0 };
    from += part.width;
    return part;
  });
  return {
    output,
    forward({ heap }, examples) {
      for (let row = 0; row < examples * rows; row++) {
        for (const part of parts) {
          const at = part.at + row * part.width;
          heap.copyWithin(output.at + row * width + part.from, at, at + part.width);
        }
      }
    },
    backward(outputGradient, inputGradients) {
      return ({ heap }, examples) => {
        for (const [i, part] of parts.entries()) {
          const gradient = inputGradients[i];
          if (gradient === undefined) continue;
          for (let row = 0; row < examples * rows; row++) {
            const at = outputGradient + row * width + part.from;
            heap.copyWithin(gradient + row * part.width, at, at + part.width);
          }
        }
      };
    },
  };
};

/** The inner product of two vectors. */
export const dot: LayerCompiler = (config, inputs, context) => {
  const { shape, size } = alike(inputs);
  const [a, b] = inputs;
  const axes: readonly unknown[] = Array.isArray(config.axes) ? config.axes : [config.axes, config.axes];
  if (a === undefined || b === undefined || inputs.length !== 2 || shape.length !== 1) {
    throw unsupported("an inner product of other than two vectors");
  }
  if (!axes.every((axis) => axis === -1 || axis === 1)) throw unsupported("an inner product along another axis");
  if (flagSetting(config, "normalize", false)) throw unsupported("a normalised inner product");
  const output = allocateBatch(context, [1]);
  return {
    output,
    forward({ heap }, examples) {
      for (let row = 0; row < examples; row++) {
        let sum = 0;
        for (let i = row * size; i < (row + 1) * size; i++) sum += (heap[a.at + i] ?? 0) * (heap[b.at + i] ?? 0);
        heap[output.at + row] = sum;
      }
    },
    backward(outputGradient, [toA, toB]) {
      return ({ heap }, examples) => {
        for (let row = 0; row < examples; row++) {
          const error = heap[outputGradient + row] ?? 0;
          for (let i = row * size; i < (row + 1) * size; i++) {
            if (toA !== undefined) heap[toA + i] = error * (heap[b.at + i] ?? 0);
            if (toB !== undefined) heap[toB + i] = error * (heap[a.at + i] ?? 0);
          }
        }
      };
    },
  };
};
