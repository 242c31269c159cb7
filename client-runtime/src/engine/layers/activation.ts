import type { ActivationKind } from "../kernels/kernels.js";
import { activations } from "../kernels/kernels.js";
import { allocateBatch, type Batch, type LayerCompiler, type Operation, onlyInput } from "../plan/step.js";
import { activationSetting } from "./settings.js";

/** Applies an activation where the values lie; softmax along the last axis. */
export function activate(kind: ActivationKind | "softmax", values: Batch): Operation {
  const { at, size, shape } = values;
  const classes = shape.at(-1) ?? 1;
  if (kind === "softmax") return (kernels, examples) => kernels.softmax(at, (examples * size) / classes, classes);
  if (kind === activations.linear) return () => {};
  return (kernels, examples) => kernels.activate(kind, at, examples * size);
}

/** Turns the gradient of activated values, where it lies, into that of the values before. */
export function activateGradient(kind: ActivationKind | "softmax", values: Batch, gradient: number): Operation {
  const { at, size, shape } = values;
  const classes = shape.at(-1) ?? 1;
  if (kind === "softmax") {
    return (kernels, examples) => kernels.softmaxGradient(at, gradient, (examples * size) / classes, classes);
  }
  if (kind === activations.linear) return () => {};
  return (kernels, examples) => kernels.activateGradient(kind, at, gradient, examples * size);
}

function compile(
  kind: ActivationKind | "softmax",
  inputs: readonly Batch[],
  context: Parameters<LayerCompiler>[2],
): ReturnType<LayerCompiler> {
  const input = onlyInput(inputs);
  const output = allocateBatch(context, input.shape);
  const apply = activate(kind, output);
  return {
    output,
    forward(kernels, examples) {
      kernels.heap.copyWithin(output.at, input.at, input.at + examples * input.size);
      apply(kernels, examples);
    },
    backward(outputGradient, [inputGradient]) {
      const through = activateGradient(kind, output, outputGradient);
      return (kernels, examples) => {
        through(kernels, examples);
        if (inputGradient === undefined) return;
        kernels.heap.copyWithin(inputGradient, outputGradient, outputGradient + examples * output.size);
      };
    },
  };
}

/** Activation layers: `Activation`, `ReLU` without a slope, `Softmax` along the last axis. */
export const activationLayer: LayerCompiler = (config, inputs, context) =>
  compile(activationSetting(config), inputs, context);
