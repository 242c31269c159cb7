export type { LossName } from "../engine/plan/loss.js";
export { qFedAvgTrainer } from "../personalisation/q-fedavg.js";
export { scaffoldTrainer } from "../personalisation/scaffold.js";
export { compiledLocalModel } from "../trainers/layers/compiled.js";
export { type Examples, epochOrder } from "../trainers/layers/examples.js";
export { type LayersTrainer, layersTrainer } from "../trainers/layers/layers-trainer.js";
export type { LocalModel } from "../trainers/layers/local-model.js";
export {
  type SimulatedDevice,
  type SimulatedModel,
  simulatedPlan,
  simulatedUpdate,
} from "./simulated-device.js";
