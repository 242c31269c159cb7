import { type LayersModelOptions, openLayersModel, tensorflowTrainer } from "@fedloop/client-runtime/tensorflow";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import wasm from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import { layers, sequential } from "@tensorflow/tfjs-layers";
import { examples, loss, task } from "./train.js";

/** The same model and training on TensorFlow.js: on its WebAssembly where that may run, else in plain JavaScript. */
export async function trainTensorflow(): Promise<{ readonly engine: string; readonly update: readonly number[] }> {
  // Threads take more than a page of a strict policy has; TensorFlow.js wants an address for them all the same.
  const names = ["tfjs-backend-wasm.wasm", "tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm-threaded-simd.wasm"];
  setWasmPaths(Object.fromEntries(names.map((name) => [name, wasm])));
  const options: LayersModelOptions = {
    model: () =>
      sequential({
        layers: [
          layers.conv2d({ filters: 3, kernelSize: 3, padding: "same", activation: "tanh", inputShape: [6, 6, 1] }),
          layers.flatten(),
          layers.dense({ units: 2, activation: "softmax" }),
        ],
      }),
    loss,
    backends: ["wasm", "cpu"],
  };
  const opened = await openLayersModel(options);
  const { engine } = opened;
  opened.close();
  const trainer = tensorflowTrainer({ id: "pictures", examples, ...options });
  const { update } = await trainer.train(task);
  trainer.close();
  return { engine, update: [...update] };
}
