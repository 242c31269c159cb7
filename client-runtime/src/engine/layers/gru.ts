import type { LeftOperand, RightOperand } from "../kernels/kernels.js";
import { slope } from "../kernels/plain.js";
import { allocateBatch, type LayerCompiler } from "../plan/step.js";
import { recurrenceOf } from "./recurrence.js";

/**
 * Cho et al.'s gated recurrent unit (2014), as Keras has it with the reset before the product: gates z, r, h.
 *
 *   z, r = σ(x·W + h·U)   c = tanh(x·W + (r∘h)·U)   h ← z∘h + (1 − z)∘c
 */
export const gru: LayerCompiler = (config, inputs, context) => {
  const recurrence = recurrenceOf(config, inputs, context, 3);
  const { input, steps, width, units, gates, kind, gateKind, kernel, recurrent, bias, whole } = recurrence;
  const gateValues = allocateBatch(context, [steps, gates]);
  const hidden = allocateBatch(context, [steps, units]);
  /** r∘h of the step before. */
  const kept = allocateBatch(context, [steps, units]);
  const output = whole ? hidden : allocateBatch(context, [units]);
  const rowsAt = (at: number, rows: number, row: number): LeftOperand => ({
    at,
    rows,
    rowsOuter: 1,
    row,
    rowOuter: 0,
    step: 1,
    outer: 0,
  });
  const columnsOf = (at: number): RightOperand => ({ at, step: gates, outer: 0, column: 1 });
  const turned = (at: number): RightOperand => ({ at, step: 1, outer: 0, column: gates });

  return {
    output,
    forward(kernels, examples) {
      const { heap } = kernels;
      const rows = examples * steps;
      if (bias !== undefined) kernels.fillRows(gateValues.at, bias.at, rows, gates);
      const all = { depth: width, outerDepth: 1, columns: gates };
      const left = rowsAt(input.at, rows, width);
      kernels.multiply(all, left, columnsOf(kernel.at), gateValues.at, gates, bias !== undefined);
      for (let step = 0; step < steps; step++) {
        const at = gateValues.at + step * gates;
        const before = hidden.at + (step - 1) * units;
        if (step > 0) {
          const extent = { depth: units, outerDepth: 1, columns: 2 * units };
          const state = rowsAt(before, examples, hidden.size);
          kernels.multiply(extent, state, columnsOf(recurrent.at), at, gateValues.size, true);
        }
        for (let row = 0; row < examples; row++) {
          const gate = at + row * gateValues.size;
          kernels.activate(gateKind, gate, 2 * units);
          if (step === 0) continue;
          const to = kept.at + row * kept.size + step * units;
          const from = before + row * hidden.size;
          for (let i = 0; i < units; i++) heap[to + i] = (heap[gate + units + i] ?? 0) * (heap[from + i] ?? 0);
        }
        if (step > 0) {
          const extent = { depth: units, outerDepth: 1, columns: units };
          const state = rowsAt(kept.at + step * units, examples, kept.size);
          kernels.multiply(extent, state, columnsOf(recurrent.at + 2 * units), at + 2 * units, gateValues.size, true);
        }
        for (let row = 0; row < examples; row++) {
          const gate = at + row * gateValues.size;
          kernels.activate(kind, gate + 2 * units, units);
          const from = before + row * hidden.size;
          for (let i = 0; i < units; i++) {
            const update = heap[gate + i] ?? 0;
            const past = step === 0 ? 0 : (heap[from + i] ?? 0);
            heap[from + units + i] = update * past + (1 - update) * (heap[gate + 2 * units + i] ?? 0);
          }
        }
      }
      if (whole) return;
      for (let row = 0; row < examples; row++) {
        const at = hidden.at + (row + 1) * hidden.size - units;
        heap.copyWithin(output.at + row * units, at, at + units);
      }
    },
    backward(outputGradient, [inputGradient]) {
      const error = context.allocate(units * context.batchSize);
      const past = context.allocate(units * context.batchSize);
      const reset = context.allocate(units * context.batchSize);
      return (kernels, examples) => {
        const { heap } = kernels;
        heap.fill(0, error, error + examples * units);
        for (let step = steps - 1; step >= 0; step--) {
          const at = gateValues.at + step * gates;
          for (let row = 0; row < examples; row++) {
            const gate = at + row * gateValues.size;
            const state = hidden.at + row * hidden.size + (step - 1) * units;
            const given = whole ? outputGradient + row * hidden.size + step * units : outputGradient + row * units;
            const isGiven = whole || step === steps - 1;
            for (let i = 0; i < units; i++) {
              const own = row * units + i;
              const gradient = (heap[error + own] ?? 0) + (isGiven ? (heap[given + i] ?? 0) : 0);
              const update = heap[gate + i] ?? 0;
              const candidate = heap[gate + 2 * units + i] ?? 0;
              const before = step === 0 ? 0 : (heap[state + i] ?? 0);
              heap[gate + i] = gradient * (before - candidate) * slope(gateKind, update);
              heap[gate + 2 * units + i] = gradient * (1 - update) * slope(kind, candidate);
              heap[past + own] = gradient * update;
            }
          }
          if (step > 0) {
            const extent = { depth: units, outerDepth: 1, columns: units };
            const errors = rowsAt(at + 2 * units, examples, gateValues.size);
            kernels.multiply(extent, errors, turned(recurrent.at + 2 * units), reset, units, false);
          }
          for (let row = 0; row < examples; row++) {
            const gate = at + row * gateValues.size + units;
            const state = hidden.at + row * hidden.size + (step - 1) * units;
            for (let i = 0; i < units; i++) {
              const own = row * units + i;
              const value = heap[gate + i] ?? 0;
              const gradient = step === 0 ? 0 : (heap[reset + own] ?? 0);
              heap[gate + i] = step === 0 ? 0 : gradient * (heap[state + i] ?? 0) * slope(gateKind, value);
              heap[past + own] = (heap[past + own] ?? 0) + gradient * value;
            }
          }
          if (step > 0) {
            const extent = { depth: 2 * units, outerDepth: 1, columns: units };
            kernels.multiply(extent, rowsAt(at, examples, gateValues.size), turned(recurrent.at), past, units, true);
          }
          heap.copyWithin(error, past, past + examples * units);
        }
        // gateValues now hold the gradients of the gates before activation.
        const rows = examples * steps;
        if (bias !== undefined) kernels.sumRows(bias.gradient, gateValues.at, rows, gates);
        const turnedInput = { ...rowsAt(input.at, width, 1), step: width };
        const all = { depth: rows, outerDepth: 1, columns: gates };
        kernels.multiply(all, turnedInput, columnsOf(gateValues.at), kernel.gradient, gates, false);
        heap.fill(0, recurrent.gradient, recurrent.gradient + recurrent.size);
        if (steps > 1) {
          const later = { depth: steps - 1, outerDepth: examples };
          const errors = { at: gateValues.at + gates, step: gates, outer: gateValues.size, column: 1 };
          const states = { ...rowsAt(hidden.at, units, 1), step: units, outer: hidden.size };
          kernels.multiply({ ...later, columns: 2 * units }, states, errors, recurrent.gradient, gates, false);
          const keeps = { ...states, at: kept.at + units };
          const candidates = { ...errors, at: errors.at + 2 * units };
          kernels.multiply(
            { ...later, columns: units },
            keeps,
            candidates,
            recurrent.gradient + 2 * units,
            gates,
            false,
          );
        }
        if (inputGradient === undefined) return;
        const extent = { depth: gates, outerDepth: 1, columns: width };
        kernels.multiply(extent, rowsAt(gateValues.at, rows, gates), turned(kernel.at), inputGradient, width, false);
      };
    },
  };
};
