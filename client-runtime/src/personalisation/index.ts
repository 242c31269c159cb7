export type { ModelSource } from "./model-source.js";
export {
  type PersonalisationMethod,
  type PersonalisedOptions,
  type PersonalisedTrainer,
  personalisedTrainer,
} from "./personalised.js";
export { type QFedAvgOptions, qFedAvgTrainer } from "./q-fedavg.js";
export { type ScaffoldOptions, scaffoldModel, scaffoldTrainer } from "./scaffold.js";
