/** Why something that the app asked of the feedback loop did not happen. */
export type FeedbackErrorCode =
  | "BAD_BUNDLE"
  | "BAD_EVENT"
  | "BAD_EXPERIMENT"
  | "BAD_OPTION"
  | "BAD_REGISTRY"
  | "BAD_RULE"
  | "BAD_TEMPLATE"
  | "BUNDLE_NOT_TRUSTED"
  | "BUNDLE_ROLLED_BACK"
  | "BUNDLE_UNSIGNED"
  | "CLOSED"
  | "LOG_CORRUPT"
  | "RENDER_LIMIT"
  | "STORE_FAILED"
  | "TABLE_MISMATCH"
  | "UNKNOWN_TEMPLATE";

/** What each code means, as the README prints it. */
export const feedbackErrors: { readonly [Code in FeedbackErrorCode]: string } = {
  BAD_BUNDLE: "The template bundle is malformed, too large, or of another format.",
  BAD_EVENT: "The registry has no such event, or a field does not follow its schema; nothing was captured.",
  BAD_EXPERIMENT: "An experiment's weights, layer range or holdout contradict themselves or one another.",
  BAD_OPTION: "The app passed a value that the call does not allow; the message names it.",
  BAD_REGISTRY: "An event or a field lacks a purpose, a retention or a schema, or names one that is not declared.",
  BAD_RULE: "A trigger's rule is malformed, or uses an operator that is not on the list.",
  BAD_TEMPLATE: "A template does not parse, or uses a tag or a filter that is not on the list.",
  BUNDLE_NOT_TRUSTED: "The bundle is signed by a key that the app has not pinned, or the signature does not fit.",
  BUNDLE_ROLLED_BACK: "The bundle is older than one that this device has used before.",
  BUNDLE_UNSIGNED: "The bundle has no signature.",
  CLOSED: "Capture was closed; open it again.",
  LOG_CORRUPT: "What lies in the event log was not written by this version, or was damaged.",
  RENDER_LIMIT: "Rendering took more steps, memory or characters than the limits allow.",
  STORE_FAILED: "The event log could not read or write; events stay in memory and are written with the next batch.",
  TABLE_MISMATCH: "A public table is not the one whose digest the app has pinned.",
  UNKNOWN_TEMPLATE: "The bundle has no template of that name.",
};

/**
 * The one error of this package. The message says what was expected, what came and what to do; it never holds the value
 * of an event's field.
 */
export class FeedbackError extends Error {
  override readonly name: string = "FeedbackError";
  readonly code: FeedbackErrorCode;

  constructor(code: FeedbackErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
