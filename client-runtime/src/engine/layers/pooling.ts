import { allocateBatch, type LayerCompiler, onlyInput } from "../plan/step.js";
import { windowsOf } from "./conv2d.js";
import { pairSetting } from "./settings.js";

/** The largest value of each window, channels last. */
export const maxPooling2d: LayerCompiler = (config, inputs, context) => {
  const input = onlyInput(inputs);
  const size = pairSetting(config, "pool_size", 2);
  const strides = config.strides === undefined || config.strides === null ? size : pairSetting(config, "strides", 2);
  const windows = windowsOf(config, input, size, strides);
  const pooling = { ...windows, poolRows: windows.windowRows, poolColumns: windows.windowColumns };
  const output = allocateBatch(context, [windows.outRows, windows.outColumns, windows.channels]);
  const places = context.allocate(output.size * context.batchSize);
  return {
    output,
    forward: (kernels, examples) => kernels.maxPool(pooling, examples, input.at, output.at, places),
    backward(outputGradient, [inputGradient]) {
      return (kernels, examples) => {
        if (inputGradient === undefined) return;
        kernels.heap.fill(0, inputGradient, inputGradient + examples * input.size);
        kernels.maxPoolGradient(pooling, examples, inputGradient, outputGradient, places);
      };
    },
  };
};

/** The mean over rows and columns of each channel. */
export const globalAveragePooling2d: LayerCompiler = (config, inputs, context) => {
  const input = onlyInput(inputs);
  const { rows, columns, channels } = windowsOf({ ...config, padding: "valid" }, input, [1, 1], [1, 1]);
  const places = rows * columns;
  const output = allocateBatch(context, [channels]);
  return {
    output,
    forward(kernels, examples) {
      for (let image = 0; image < examples; image++) {
        const at = output.at + image * channels;
        kernels.sumRows(at, input.at + image * input.size, places, channels);
        for (let i = at; i < at + channels; i++) kernels.heap[i] = (kernels.heap[i] ?? 0) / places;
      }
    },
    backward(outputGradient, [inputGradient]) {
      return ({ heap }, examples) => {
        if (inputGradient === undefined) return;
        for (let i = 0; i < examples * input.size; i++) {
          const image = Math.floor(i / input.size);
          heap[inputGradient + i] = (heap[outputGradient + image * channels + (i % channels)] ?? 0) / places;
        }
      };
    },
  };
};
