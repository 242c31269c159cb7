import { ClientError } from "../../errors.js";
import { allocateBatch, type LayerCompiler, onlyInput, requireUnset } from "../plan/step.js";
import { countSetting } from "./settings.js";

/** Rows of a table, by the integers in the input. */
export const embedding: LayerCompiler = (config, inputs, context) => {
  requireUnset(config, "mask_zero");
  const ids = onlyInput(inputs);
  const tableRows = countSetting(config, "input_dim");
  const width = countSetting(config, "output_dim");
  const table = context.sparseWeight("embeddings", [tableRows, width]);
  const output = allocateBatch(context, [...ids.shape, width]);
  return {
    output,
    forward(kernels, examples) {
      for (let i = ids.at; i < ids.at + examples * ids.size; i++) {
        const id = kernels.heap[i] ?? 0;
        if (id >= 0 && id < tableRows && Number.isInteger(id)) continue;
        throw new ClientError(
          "BAD_OPTION",
          `expected integers from 0 below ${tableRows} in the features, came another`,
        );
      }
      kernels.gatherRows(output.at, table.at, ids.at, examples * ids.size, width);
    },
    backward(outputGradient) {
      return (kernels, examples) => table.scatter(kernels, outputGradient, ids.at, examples * ids.size, width);
    },
  };
};
