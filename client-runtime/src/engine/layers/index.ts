import type { LayerCompiler } from "../plan/step.js";
import { activationLayer } from "./activation.js";
import { conv2d } from "./conv2d.js";
import { dense } from "./dense.js";
import { embedding } from "./embedding.js";
import { gru } from "./gru.js";
import { lstm } from "./lstm.js";
import { add, concatenate, dot } from "./merge.js";
import { globalAveragePooling2d, maxPooling2d } from "./pooling.js";
import { dropout, flatten, reshape } from "./shape.js";

/** What can be compiled, by Keras' class names. */
export const layerCompilers: Readonly<Record<string, LayerCompiler>> = {
  Activation: activationLayer,
  Add: add,
  Concatenate: concatenate,
  Conv2D: conv2d,
  Dense: dense,
  Dot: dot,
  Dropout: dropout,
  Embedding: embedding,
  Flatten: flatten,
  GRU: gru,
  GlobalAveragePooling2D: globalAveragePooling2d,
  LSTM: lstm,
  MaxPooling2D: maxPooling2d,
  Reshape: reshape,
};
