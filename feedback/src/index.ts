export { Capture, type CaptureOptions, type CaptureOutcome, type ReadOptions } from "./capture/capture.js";
export { type DomListenerOptions, listenToDom } from "./capture/dom-listener.js";
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
export { FeedbackError, type FeedbackErrorCode, feedbackErrors } from "./errors.js";
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
