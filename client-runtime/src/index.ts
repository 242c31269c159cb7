export {
  ClientError,
  type ClientErrorCode,
  type ClientErrorOptions,
  clientErrors,
  type GuardCode,
} from "./errors.js";
export type { BudgetReport, Charge } from "./guard/budget.js";
export { defaultFloors, defaultLimits, type PrivacyFloors, type TransferLimits } from "./guard/floors.js";
export { type GuardContext, type Verdict, type VerifiedPlan, verifyOffer } from "./guard/offer.js";
export type { ForkClaim, PinnedLog, SeenCheckpoint } from "./guard/receipt.js";
export { portableSha256, type RunningSha256, type Sha256 } from "./hashing/sha256.js";
export type { DeviceState, KnownPolicy, OwnConsent, OwnReceipt } from "./identity/device-state.js";
export type { ReleasedModel } from "./models/released-model.js";
export { type Model, readModel, type TensorShape } from "./models/safetensors.js";
export type { Abortable, AppParticipant, ExportOptions } from "./participation/app-participant.js";
export type { ConsentTerms, Decision, Notice, OwnLimits } from "./participation/consent-terms.js";
export type { ParticipationEvent, WaitingReason } from "./participation/events.js";
export type { JoinOptions } from "./participation/join-options.js";
export { Participant, type ParticipantExport } from "./participation/participant.js";
export type { CoordinatorExport, ErasureReceipt } from "./participation/subject-rights.js";
export { type Clock, systemClock } from "./scheduling/clock.js";
export {
  type ConditionsSource,
  type DeviceConditions,
  defaultSchedulingLimits,
  type HoldReason,
  type SchedulingLimits,
  SettableConditions,
} from "./scheduling/conditions.js";
export type { DeviceStore } from "./store/device-store.js";
export { memoryStore } from "./store/memory.js";
export { importSealingKey, type SealingKey, sealedStore } from "./store/sealed.js";
export { type AheadEntry, memoryWriteAhead, type WriteAhead } from "./store/write-ahead.js";
export { biasedFactorisationTrainer, type Ratings } from "./trainers/biased-factorisation.js";
export { descendWithNoise, type ExampleLevelModel, type ExampleLevelTask } from "./trainers/example-level.js";
export {
  implicitFactorisationTrainer,
  implicitScores,
  implicitUpdateLength,
} from "./trainers/implicit-factorisation.js";
export type { Interactions } from "./trainers/interactions.js";
export { type LabelledRows, logisticRegressionTrainer } from "./trainers/logistic-regression.js";
export { projectionScores, secondMomentsTrainer } from "./trainers/second-moments.js";
export { choiceSetting, integerSetting, realSetting } from "./trainers/settings.js";
export type { LocalState, Trainer, TrainerSettings, TrainingTask, UpdateFate } from "./trainers/trainer.js";
export { defaultRetryPolicy, type RetryPolicy } from "./transport/retry.js";
export type { CallOptions, Transport } from "./transport/transport.js";
