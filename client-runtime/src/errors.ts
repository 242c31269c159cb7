/** Why a device does not take part in an offered round. Each one reaches the app and, as a code only, the coordinator. */
export type GuardCode =
  | "GUARD_AGGREGATION"
  | "GUARD_BAD_PLAN"
  | "GUARD_BUDGET"
  | "GUARD_CHECKPOINT"
  | "GUARD_CLIP"
  | "GUARD_COHORT"
  | "GUARD_CONSENT_EXPIRED"
  | "GUARD_CONSENT_MISMATCH"
  | "GUARD_EVENT_MISMATCH"
  | "GUARD_FORK"
  | "GUARD_MODEL"
  | "GUARD_NO_CONSENT"
  | "GUARD_NO_NOISE"
  | "GUARD_NOISE_TOO_SMALL"
  | "GUARD_NOT_IN_LOG"
  | "GUARD_PLAN_SIGNATURE"
  | "GUARD_POLICY"
  | "GUARD_POPULATION_BUDGET"
  | "GUARD_REPLAYED_ROUND"
  | "GUARD_SECURE_AGGREGATION"
  | "GUARD_STAGE"
  | "GUARD_TOO_LARGE"
  | "GUARD_UNIT"
  | "GUARD_UNSUPPORTED"
  | "GUARD_WITHDRAWN";

/** Why something that the app asked of the client runtime did not happen. */
export type ClientErrorCode =
  | GuardCode
  | "ABORTED"
  | "BACKEND"
  | "BAD_MODEL"
  | "BAD_OPTION"
  | "BAD_RECEIPT"
  | "CONSENT_REFUSED"
  | "DEADLINE"
  | "ENCODING"
  | "HELD"
  | "LOG_MISMATCH"
  | "NO_CRYPTO"
  | "NON_FINITE"
  | "NOT_ENROLLED"
  | "PROTOCOL"
  | "REMOTE"
  | "STORE_BUSY"
  | "STORE_CORRUPT"
  | "STORE_FAILED"
  | "TRAINER_FAILED"
  | "UNAVAILABLE"
  | "WORKER"
  | "WRONG_LENGTH";

/** Whether a code is a reason of the guard's. */
export function isGuardCode(code: string): code is GuardCode {
  return code.startsWith("GUARD_");
}

/** What each code means, as the README prints it. */
export const clientErrors: { readonly [Code in ClientErrorCode]: string } = {
  ABORTED: "The app's signal, a withdrawal or the end of the round stopped the call.",
  BACKEND: "No TensorFlow.js backend could be started, or its context was lost; install one, or train again later.",
  BAD_MODEL: "The model is not a safetensors file of 32-bit floats, or not of the size that the plan names.",
  BAD_OPTION: "The app passed a value that the call does not allow; the message names it.",
  BAD_RECEIPT: "The coordinator acknowledged something without a proof that it is in the log.",
  CONSENT_REFUSED: "There is no consent in force to take part with: the participant refused or withdrew it.",
  DEADLINE: "The coordinator did not answer in time, also not when asked again.",
  ENCODING: "The update could not be brought into the form that the plan demands.",
  GUARD_AGGREGATION:
    "A step of secure aggregation was not as the plan has it; the device left the round and erased its secrets.",
  GUARD_BAD_PLAN: "The offered plan is no canonical round.plan entry of this log, population and round.",
  GUARD_BUDGET: "The round would exceed the participant's own privacy budget or number of rounds.",
  GUARD_CHECKPOINT: "The checkpoint is malformed or not signed by the log's key.",
  GUARD_CLIP: "Clip norm, granularity, norm bound, bits or length of the update contradict each other.",
  GUARD_COHORT: "The round's cohort, or what was left of it, is smaller than the plan or the app allows.",
  GUARD_CONSENT_EXPIRED: "The participant's consent has expired; ask again.",
  GUARD_CONSENT_MISMATCH: "The coordinator relies on another consent than the one that this device gave.",
  GUARD_EVENT_MISMATCH: "The plan's privacy event is not the one that its noise and mechanism make.",
  GUARD_FORK: "The log is not an extension of what this device has seen: evidence is kept in the store.",
  GUARD_MODEL: "The model that came is not the one that the plan names.",
  GUARD_NO_CONSENT: "The participant has given no consent for the round's purpose.",
  GUARD_NO_NOISE: "The round adds no noise and the app does not allow that.",
  GUARD_NOISE_TOO_SMALL: "The round's noise is below the floor that the app has set.",
  GUARD_NOT_IN_LOG: "The plan is not proven to be in the log.",
  GUARD_PLAN_SIGNATURE: "The plan is not signed by the operator's key.",
  GUARD_POLICY: "The round runs under another policy than the one that the participant consented to.",
  GUARD_POPULATION_BUDGET: "The round would take the population over its published privacy budget.",
  GUARD_REPLAYED_ROUND: "The device has already handed in an update for this round or a later one.",
  GUARD_SECURE_AGGREGATION: "The round runs without secure aggregation, or with a weaker one than the app demands.",
  GUARD_STAGE:
    "The model for the app is not the one that the log gives this device: a candidate, one taken back, or another's canary.",
  GUARD_TOO_LARGE: "The model or the update is larger than the app allows.",
  GUARD_UNIT:
    "The round's ε is for single examples, which the app does not allow, or what was spent so far is for another unit.",
  GUARD_UNSUPPORTED: "The plan asks for something that this runtime or this app's trainer cannot do.",
  GUARD_WITHDRAWN: "The participant has withdrawn the consent for the round's purpose.",
  HELD: "A training was given up because the device is needed: on battery, on a metered network, or offline; or because a gate found its data not usual.",
  LOG_MISMATCH: "The coordinator presents another log or operator than the one that is pinned.",
  NO_CRYPTO: "This platform lacks a primitive that the device needs; the message names it and what to pass instead.",
  NON_FINITE: "Training produced a value that is not finite; nothing was sent.",
  NOT_ENROLLED: "The participant has left; join again.",
  PROTOCOL: "The coordinator's answer does not follow the protocol.",
  REMOTE: "The coordinator refused the call; `remoteCode` says why.",
  STORE_BUSY: "Another tab has the device store open; close it there, or wait until it is closed.",
  STORE_CORRUPT: "What lies in the device store was not written by this version, or was damaged.",
  STORE_FAILED: "The device store could not read or write.",
  TRAINER_FAILED: "The app's trainer threw an error; `cause` is that error.",
  UNAVAILABLE: "The coordinator could not be reached, also not when tried again.",
  WORKER: "The worker that holds the participant failed or has ended; start another and join again.",
  WRONG_LENGTH: "A vector does not have the length that the plan names.",
};

/** What may come with a `ClientError` beside its code and sentence. */
export interface ClientErrorOptions {
  readonly cause?: unknown;
  /** With REMOTE: the coordinator's own code, as docs/protocol.md lists them. */
  readonly remoteCode?: string;
  /** When trying again may help, milliseconds from now; 0, the default, when it does not. */
  readonly retryAfterMs?: number;
  /** The coordinator's clock, milliseconds since the epoch. */
  readonly serverTimeMs?: number;
}

/**
 * The one error of this package. The message says what was expected, what came and what to do; it never holds data,
 * updates, noise or keys.
 */
export class ClientError extends Error {
  override readonly name: string = "ClientError";
  readonly code: ClientErrorCode;
  readonly remoteCode: string | undefined;
  readonly retryAfterMs: number;
  readonly serverTimeMs: number | undefined;

  constructor(code: ClientErrorCode, message: string, options: ClientErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remoteCode = options.remoteCode;
    this.retryAfterMs = options.retryAfterMs ?? 0;
    this.serverTimeMs = options.serverTimeMs;
  }
}

/** Throws ABORTED when the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new ClientError("ABORTED", "the call was aborted", { cause: signal.reason });
}

/** Any error as a `ClientError`; one that is none already becomes `code` with it as the cause. */
export function asClientError(cause: unknown, code: ClientErrorCode, message: string): ClientError {
  return cause instanceof ClientError ? cause : new ClientError(code, message, { cause });
}
