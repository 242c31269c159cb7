import { writeFileSync } from "node:fs";
import { join } from "node:path";
import "@tensorflow/tfjs-backend-cpu";
import { setBackend, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { layers, loadLayersModel, sequential } from "@tensorflow/tfjs-layers";
import t from "tap";
import type { TensorFile } from "../../src/models/safetensors.js";
import { encodeTfjsLayers } from "../../src/models/tfjs-layers.js";
import { temporaryFolder } from "../temporary-folder.js";
import { fromFolder } from "./from-folder.js";

t.test("TensorFlow.js loads an export, and it predicts what the model does with these parameters", async (t) => {
  await setBackend("cpu");
  const built = sequential({
    layers: [
      layers.conv2d({ name: "edges", inputShape: [6, 6, 1], filters: 2, kernelSize: 3, activation: "relu" }),
      layers.flatten({ name: "flat" }),
      layers.dense({ name: "hidden", units: 4, activation: "tanh", useBias: false }),
      layers.dense({ name: "out", units: 3, activation: "softmax" }),
    ],
  });
  const weights = built.getWeights();
  const tensors = weights.map(({ shape }, at) => ({ name: `w${at}`, shape }));
  const length = weights.reduce((sum, { size }) => sum + size, 0);
  const parameters = Float32Array.from({ length }, (_, i) => Math.sin(i + 1) / 2);
  const file: TensorFile = { tensors, parameters, metadata: {} };
  const written = encodeTfjsLayers(file, built.toJSON());
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "model.json"), written.model);
  writeFileSync(join(folder, written.weightsName), written.weights);
  const loaded = await loadLayersModel(fromFolder(folder));

  const back = Float32Array.from(loaded.getWeights().flatMap((weight) => [...weight.dataSync()]));
  t.strictSame(back, parameters, "every weight is where it was");
  const input = tensor(
    Array.from({ length: 72 }, (_, i) => Math.cos(i)),
    [2, 6, 6, 1],
  );
  let offset = 0;
  built.setWeights(
    weights.map((weight) => {
      const values = parameters.subarray(offset, offset + weight.size);
      offset += weight.size;
      return tensor([...values], weight.shape);
    }),
  );
  const [expected, predicted] = [built, loaded].map((model) => [...(model.predict(input) as Tensor).dataSync()]);
  t.strictSame(predicted, expected);
});

t.test("layers whose weights are not the model's tensors are refused with both", (t) => {
  const layer = { class_name: "Dense", config: { name: "out", units: 1 } };
  const topology = { class_name: "Sequential", config: { name: "s", layers: [layer] } };
  const file = { tensors: [{ name: "all", shape: [3] }], parameters: new Float32Array(3), metadata: {} };
  t.throws(() => encodeTfjsLayers(file, topology), {
    code: "BAD_DATA",
    message: /1 trained weights.*out\/kernel, out\/bias/,
  });
  t.throws(() => encodeTfjsLayers(file, "{"), { code: "BAD_DATA" });
  t.throws(() => encodeTfjsLayers(file, { class_name: "Sequential", config: {} }), { code: "BAD_DATA" });
  t.end();
});
