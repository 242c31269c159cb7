/**
 * A model in the layers format of TensorFlow.js: `model.json` with topology and weights manifest, `weights.bin` with the
 * values. `tf.loadLayersModel` reads it, in browsers and in Node.
 *
 * Format: https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts (ModelJSON)
 */
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { shapeSize, type TensorFile } from "./safetensors.js";

const WEIGHTS_FILE = "weights.bin";

/** The trained weights of each kind of layer, in the order in which a layer lists them. */
const WEIGHTS: Readonly<Record<string, readonly string[]>> = {
  Dense: ["kernel", "bias"],
  Conv1D: ["kernel", "bias"],
  Conv2D: ["kernel", "bias"],
  DepthwiseConv2D: ["depthwise_kernel", "bias"],
  Embedding: ["embeddings"],
  SimpleRNN: ["kernel", "recurrent_kernel", "bias"],
  GRU: ["kernel", "recurrent_kernel", "bias"],
  LSTM: ["kernel", "recurrent_kernel", "bias"],
};

const layer = z.looseObject({
  class_name: z.string(),
  config: z.looseObject({ name: z.string(), use_bias: z.boolean().optional() }),
});
const topologySchema = z.looseObject({
  class_name: z.enum(["Sequential", "Model", "Functional"]),
  config: z.looseObject({ layers: z.array(layer).min(1) }),
});

/** The topology within what an app has: `model.toJSON()`, its text, or a whole `model.json`. */
const writtenTopology = z.preprocess((written) => {
  const json: unknown = typeof written === "string" ? JSON.parse(written) : written;
  return typeof json === "object" && json !== null && "modelTopology" in json ? json.modelTopology : json;
}, topologySchema);

export interface TfjsFiles {
  /** Text of model.json. */
  readonly model: string;
  /** Bytes of weights.bin, little-endian 32-bit floats. */
  readonly weights: Uint8Array;
  /** Name that model.json gives weights.bin. */
  readonly weightsName: string;
}

/**
 * Writes a model as the app built it, with the parameters that were trained.
 *
 * @param topology what `model.toJSON()` gave: the text or the object
 * @throws CoordinatorError BAD_DATA for a topology that is none, or whose weights are not the tensors of the model
 */
export function encodeTfjsLayers(file: TensorFile, topology: unknown): TfjsFiles {
  const parsed = parse(topology);
  const names = parsed.config.layers.flatMap(weightNames);
  if (names.length !== file.tensors.length) {
    throw new CoordinatorError(
      "BAD_DATA",
      `expected a topology with ${file.tensors.length} trained weights, as the plan's model.tensors, came one with ${names.length}: ` +
        names.slice(0, 12).join(", "),
    );
  }
  const weights = file.tensors.map(({ shape }, at) => ({ name: names[at] ?? "", shape: [...shape], dtype: "float32" }));
  const { parameters } = file;
  const model = {
    format: "layers-model",
    generatedBy: "fedloop",
    convertedBy: null,
    modelTopology: { ...parsed },
    weightsManifest: [{ paths: [WEIGHTS_FILE], weights }],
  };
  const count = file.tensors.reduce((sum, { shape }) => sum + shapeSize(shape), 0);
  return {
    model: JSON.stringify(model),
    weights: new Uint8Array(parameters.buffer, parameters.byteOffset, count * Float32Array.BYTES_PER_ELEMENT),
    weightsName: WEIGHTS_FILE,
  };
}

function parse(topology: unknown): z.output<typeof topologySchema> {
  try {
    return writtenTopology.parse(topology);
  } catch (cause) {
    throw new CoordinatorError(
      "BAD_DATA",
      "expected the topology of a layers model, as model.toJSON() of TensorFlow.js gives it",
      { cause },
    );
  }
}

/** As TensorFlow.js names the weights of a layer. */
function weightNames({ class_name, config }: z.output<typeof layer>): string[] {
  const names = WEIGHTS[class_name] ?? [];
  return names.filter((name) => name !== "bias" || config.use_bias !== false).map((name) => `${config.name}/${name}`);
}
