import { allocateBatch, type LayerCompiler, onlyInput } from "../plan/step.js";
import { activate, activateGradient } from "./activation.js";
import { activationSetting, countSetting, flagSetting } from "./settings.js";

/** y = activation(x·W + b) along the last axis. */
export const dense: LayerCompiler = (config, inputs, context) => {
  const input = onlyInput(inputs);
  const columns = countSetting(config, "units");
  const depth = input.shape.at(-1) ?? 1;
  const kernel = context.descendedWeight("kernel", [depth, columns]);
  const bias = flagSetting(config, "use_bias", true) ? context.weight("bias", [columns]) : undefined;
  const kind = activationSetting(config);
  const output = allocateBatch(context, [...input.shape.slice(0, -1), columns]);
  const rowsOf = (examples: number): number => (examples * input.size) / depth;
  const left = { at: input.at, rowsOuter: 1, row: depth, rowOuter: 0, step: 1, outer: 0 };
  const right = { at: kernel.at, step: columns, outer: 0, column: 1 };
  const extent = { depth, outerDepth: 1, columns };
  const apply = activate(kind, output);
  return {
    output,
    forward(kernels, examples) {
      const rows = rowsOf(examples);
      if (bias !== undefined) kernels.fillRows(output.at, bias.at, rows, columns);
      kernels.multiply(extent, { ...left, rows }, right, output.at, columns, bias !== undefined);
      apply(kernels, examples);
    },
    backward(outputGradient, [inputGradient]) {
      const through = activateGradient(kind, output, outputGradient);
      const transposed = { at: input.at, rows: depth, rowsOuter: 1, row: 1, rowOuter: 0, step: depth, outer: 0 };
      const gradient = { at: outputGradient, step: columns, outer: 0, column: 1 };
      const turned = { at: kernel.at, step: 1, outer: 0, column: columns };
      const scaled = context.allocate(output.size * context.batchSize);
      const steps = { ...gradient, at: scaled };
      return (kernels, examples) => {
        through(kernels, examples);
        const rows = rowsOf(examples);
        if (bias !== undefined) kernels.sumRows(bias.gradient, outputGradient, rows, columns);
        // Before the weights move.
        if (inputGradient !== undefined) {
          const errors = { at: outputGradient, rows, rowsOuter: 1, row: columns, rowOuter: 0, step: 1, outer: 0 };
          const back = { depth: columns, outerDepth: 1, columns: depth };
          kernels.multiply(back, errors, turned, inputGradient, depth, false);
        }
        const over = { depth: rows, outerDepth: 1, columns };
        const factor = kernel.factor();
        if (factor === undefined) {
          kernels.multiply(over, transposed, gradient, kernel.gradient, columns, false);
        } else if (factor !== 0) {
          kernels.heap.fill(0, scaled, scaled + rows * columns);
          kernels.addScaled(scaled, outputGradient, rows * columns, factor);
          kernels.multiply(over, transposed, steps, kernel.at, columns, true);
        }
      };
    },
  };
};
