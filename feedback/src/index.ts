export {
  type ArmMoments,
  type Bandit,
  type BanditChoice,
  type BanditPrior,
  draw,
} from "./bandit/bandit.js";
export { armMoments, DECISIONS_KEPT, type Decision, DecisionLog } from "./bandit/decision-log.js";
export { largestOfNormals, type Normal } from "./bandit/largest-of-normals.js";
export { type LinearBanditOptions, linUcb, thompsonSampling } from "./bandit/linear-bandits.js";
export {
  doublyRobust,
  inversePropensity,
  type PolicyEstimate,
  type RewardModel,
  selfNormalised,
  type TargetPolicy,
} from "./bandit/off-policy.js";
export { Capture, type CaptureOptions, type CaptureOutcome, type ReadOptions } from "./capture/capture.js";
export { type DomListenerOptions, type EventRecorder, listenToDom } from "./capture/dom-listener.js";
export type { CapturedEvent } from "./capture/event-log.js";
export {
  browserPrivacyControl,
  type ConsentSource,
  type GateOptions,
  ParticipantConsent,
  type PurposeGate,
  type PurposeState,
  purposeGate,
  SettableConsent,
} from "./capture/gate.js";
export { type PageEvents, secureWhenHidden } from "./capture/hidden-page.js";
export { TabConsent } from "./capture/tab-consent.js";
export { TabRecorder, type TabRecorderOptions } from "./capture/tab-recorder.js";
export { type Attention, type PageVisibility, pageAttention } from "./delivery/attention.js";
export {
  type Candidate,
  Delivery,
  type DeliveryOptions,
  platformUtcOffset,
} from "./delivery/delivery.js";
export {
  type CadenceOptions,
  type Caps,
  caps,
  coolDown,
  criticalCap,
  type DeliveryLimit,
  type DeliveryMoment,
  decide,
  learnedCadence,
  quietHours,
  type Verdict,
} from "./delivery/limits.js";
export {
  afterDelivery,
  type DeliveryEvent,
  type DeliveryState,
  freshDelivery,
  type MessageClass,
} from "./delivery/state.js";
export {
  type InboxMessage,
  inboxSurface,
  type MessageResponse,
  type MessageSurface,
  type ShownMessage,
} from "./delivery/surface.js";
export { TabMessages, type TabMessagesOptions } from "./delivery/tab-messages.js";
export {
  type Feature,
  type FeatureMoment,
  type FeatureVector,
  featureVector,
  frequency,
  hashed,
  looked,
  meanOf,
  recency,
  sessions,
  timeOfDay,
} from "./enrichment/features.js";
export { openTable, type PublicTable, type TableContents, writeTable } from "./enrichment/public-table.js";
export { type TemporalCut, temporalSplit } from "./enrichment/temporal-split.js";
export { FeedbackError, type FeedbackErrorCode, feedbackErrors } from "./errors.js";
export {
  type ArmCounts,
  type ArmCountsLayout,
  armCountsLayout,
  armCountsLength,
  armCountsNormBound,
  armCountsVector,
  readArmCounts,
} from "./experiments/arm-counts.js";
export {
  type Arm,
  type Assignment,
  type ExperimentDefinition,
  Experiments,
  type ExperimentsDefinition,
  experimentSecret,
  LAYER_BUCKETS,
} from "./experiments/assignment.js";
export { OutcomeLog, type OutcomeRow } from "./experiments/outcomes.js";
export {
  type BanditContentOptions,
  banditContent,
  type ChosenContent,
  type ContentChoice,
  type ExperimentContentOptions,
  experimentContent,
  fixedContent,
} from "./loop/content.js";
export { type Campaign, FeedbackLoop, type FeedbackLoopOptions } from "./loop/loop.js";
export {
  experimentFlag,
  type Flag,
  type FlagAnswer,
  type FlagJson,
  type FlagResolution,
  type Flags,
  resolveFlag,
  scoreFlag,
  staticFlag,
} from "./openfeature/flags.js";
export type { OutlierDetector } from "./outliers/detector.js";
export {
  type GateVerdict,
  gatedTrainer,
  type OutlierGate,
  type OutlierGateOptions,
  outlierGate,
  TrustedModel,
} from "./outliers/gate.js";
export { type IsolationForestOptions, isolationForest } from "./outliers/isolation-forest.js";
export { robustZ } from "./outliers/robust-z.js";
export { numbersFrom, RandomNumbers, seededNumbers } from "./random/numbers.js";
export {
  defineEvents,
  type Egress,
  type EventDefinition,
  type EventDefinitions,
  type EventDescription,
  type EventFields,
  type EventRegistry,
  type FieldDefinition,
  type FieldDescription,
  MAX_RETENTION_DAYS,
  type Portion,
  type Purposes,
  type Scalar,
} from "./registry/registry.js";
export {
  forgetJoined,
  joinedMs,
  type RetentionOptions,
  type RetentionRow,
  retentionRows,
} from "./reports/retention.js";
export { type ReportRow, reportRows } from "./reports/rows.js";
export {
  type BundleKind,
  type BundleTrust,
  MAX_BUNDLE_BYTES,
  type OpenedBundle,
  openBundle,
  signBundle,
} from "./signed/bundle.js";
export { openNewest } from "./signed/newest.js";
