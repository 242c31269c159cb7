import { packedLength } from "../kernels/kernels.js";
import { allocateBatch, type LayerCompiler } from "../plan/step.js";
import { recurrenceOf } from "./recurrence.js";

/**
 * Hochreiter and Schmidhuber's LSTM with forget gates, as Keras has it: gates i, f, c, o. The inputs of all time steps
 * go through one product; each time step then adds the product of the state before.
 */
export const lstm: LayerCompiler = (config, inputs, context) => {
  const recurrence = recurrenceOf(config, inputs, context, 4);
  const { input, steps, width, units, gates, kind, gateKind, kernel, recurrent, bias, whole } = recurrence;
  const gateValues = allocateBatch(context, [steps, gates]);
  const cells = allocateBatch(context, [steps, units]);
  const hidden = allocateBatch(context, [steps, units]);
  const output = whole ? hidden : allocateBatch(context, [units]);
  const onward = { depth: units, outerDepth: 1, columns: gates };
  const packed = context.allocate(packedLength(onward));
  const stepAt = (step: number, rows: number) => ({
    kind,
    gateKind,
    rows,
    units,
    gates: gateValues.at + step * gates,
    gateRow: gateValues.size,
    cell: cells.at + step * units,
    before: cells.at + (step - 1) * units,
    stateRow: cells.size,
    first: step === 0,
  });
  const last = (steps - 1) * units;

  return {
    output,
    forward(kernels, examples) {
      const rows = examples * steps;
      if (bias !== undefined) kernels.fillRows(gateValues.at, bias.at, rows, gates);
      const left = { at: input.at, rows, rowsOuter: 1, row: width, rowOuter: 0, step: 1, outer: 0 };
      const right = { at: kernel.at, step: gates, outer: 0, column: 1 };
      kernels.multiply(
        { depth: width, outerDepth: 1, columns: gates },
        left,
        right,
        gateValues.at,
        gates,
        bias !== undefined,
      );
      kernels.pack(onward, { at: recurrent.at, step: gates, outer: 0, column: 1 }, packed);
      for (let step = 0; step < steps; step++) {
        if (step > 0) {
          const before = {
            at: hidden.at + (step - 1) * units,
            rows: examples,
            rowsOuter: 1,
            row: hidden.size,
            rowOuter: 0,
            step: 1,
            outer: 0,
          };
          kernels.multiplyPacked(onward, before, packed, gateValues.at + step * gates, gateValues.size, true);
        }
        kernels.lstmStep(stepAt(step, examples), hidden.at + step * units);
      }
      if (whole) return;
      for (let example = 0; example < examples; example++) {
        const at = hidden.at + example * hidden.size + last;
        kernels.heap.copyWithin(output.at + example * units, at, at + units);
      }
    },
    backward(outputGradient, [inputGradient]) {
      const backward = { depth: gates, outerDepth: 1, columns: units };
      const packedTurned = context.allocate(packedLength(backward));
      const dHidden = context.allocate(units * context.batchSize);
      const dCell = context.allocate(units * context.batchSize);
      return (kernels, examples) => {
        const { heap } = kernels;
        kernels.pack(backward, { at: recurrent.at, step: 1, outer: 0, column: gates }, packedTurned);
        heap.fill(0, dHidden, dHidden + examples * units);
        heap.fill(0, dCell, dCell + examples * units);
        for (let step = steps - 1; step >= 0; step--) {
          if (whole || step === steps - 1) {
            for (let example = 0; example < examples; example++) {
              const from = whole
                ? outputGradient + example * hidden.size + step * units
                : outputGradient + example * units;
              kernels.addScaled(dHidden + example * units, from, units, 1);
            }
          }
          kernels.lstmStepGradient(stepAt(step, examples), dHidden, dCell);
          if (step === 0) break;
          const errors = {
            at: gateValues.at + step * gates,
            rows: examples,
            rowsOuter: 1,
            row: gateValues.size,
            rowOuter: 0,
            step: 1,
            outer: 0,
          };
          kernels.multiplyPacked(backward, errors, packedTurned, dHidden, units, false);
        }
        // gateValues now hold the gradients of the gates before activation.
        const rows = examples * steps;
        if (bias !== undefined) kernels.sumRows(bias.gradient, gateValues.at, rows, gates);
        const errors = { at: gateValues.at, step: gates, outer: 0, column: 1 };
        const turnedInput = { at: input.at, rows: width, rowsOuter: 1, row: 1, rowOuter: 0, step: width, outer: 0 };
        kernels.multiply(
          { depth: rows, outerDepth: 1, columns: gates },
          turnedInput,
          errors,
          kernel.gradient,
          gates,
          false,
        );
        if (steps > 1) {
          const turnedState = {
            at: hidden.at,
            rows: units,
            rowsOuter: 1,
            row: 1,
            rowOuter: 0,
            step: units,
            outer: hidden.size,
          };
          const later = { at: gateValues.at + gates, step: gates, outer: gateValues.size, column: 1 };
          kernels.multiply(
            { depth: steps - 1, outerDepth: examples, columns: gates },
            turnedState,
            later,
            recurrent.gradient,
            gates,
            false,
          );
        } else {
          heap.fill(0, recurrent.gradient, recurrent.gradient + recurrent.size);
        }
        if (inputGradient === undefined) return;
        const byRow = { at: gateValues.at, rows, rowsOuter: 1, row: gates, rowOuter: 0, step: 1, outer: 0 };
        const turnedKernel = { at: kernel.at, step: 1, outer: 0, column: gates };
        kernels.multiply(
          { depth: gates, outerDepth: 1, columns: width },
          byRow,
          turnedKernel,
          inputGradient,
          width,
          false,
        );
      };
    },
  };
};
