export type { Examples } from "../layers/examples.js";
export type { GradientCorrection, LayersEngine, LocalModel, Solver } from "../layers/local-model.js";
export { startBackend, type TensorflowBackend } from "./backend.js";
export { modelManifest, modelParameters } from "./parameters.js";
export {
  type LayersModelOptions,
  openLayersModel,
  type TensorflowTrainer,
  type TensorflowTrainerOptions,
  tensorflowTrainer,
} from "./trainer.js";
