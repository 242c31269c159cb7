export type { Examples } from "../layers/examples.js";
export type { LayersEngine } from "../layers/local-model.js";
export { startBackend, type TensorflowBackend } from "./backend.js";
export { modelManifest, modelParameters } from "./parameters.js";
export {
  type LayersModelOptions,
  openLayersModel,
  type TensorflowTrainer,
  type TensorflowTrainerOptions,
  tensorflowTrainer,
} from "./trainer.js";
