export { type CompiledTrainerOptions, compiledTrainer } from "../trainers/layers/compiled-trainer.js";
export type { Examples } from "../trainers/layers/examples.js";
export type { LayersTrainer } from "../trainers/layers/layers-trainer.js";
export {
  type NextEventModel,
  type NextEventOptions,
  nextEventManifest,
  nextEventTopology,
  nextEventTrainer,
} from "../trainers/layers/next-event.js";
export { CompiledModel, type CompileOptions } from "./compiled-model.js";
export type { LossName } from "./plan/loss.js";
export type { OptimiserSettings } from "./plan/optimiser.js";
