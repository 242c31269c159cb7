export { startBackend, type TensorflowBackend } from "./backend.js";
export type { Examples } from "./examples.js";
export { modelManifest, modelParameters } from "./parameters.js";
export { type TensorflowTrainer, type TensorflowTrainerOptions, tensorflowTrainer } from "./trainer.js";
