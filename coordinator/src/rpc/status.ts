import { create, toBinary } from "@bufbuild/protobuf";
import { type ErrorDetail, ErrorDetailSchema, METADATA } from "@fedloop/proto";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { CoordinatorError, type CoordinatorErrorCode } from "../errors.js";

/** The gRPC status of each code that a caller can meet; all others are INTERNAL. */
const STATUS: Partial<Record<CoordinatorErrorCode, status>> = {
  BAD_REQUEST: status.INVALID_ARGUMENT,
  BAD_ENTRY: status.INVALID_ARGUMENT,
  BAD_DIGEST: status.INVALID_ARGUMENT,
  WRONG_LENGTH: status.INVALID_ARGUMENT,
  NORM_EXCEEDED: status.INVALID_ARGUMENT,
  NON_FINITE: status.INVALID_ARGUMENT,
  TOO_LARGE: status.INVALID_ARGUMENT,
  OUT_OF_RANGE: status.OUT_OF_RANGE,
  BAD_SIGNATURE: status.UNAUTHENTICATED,
  SESSION_EXPIRED: status.UNAUTHENTICATED,
  CLOCK_SKEW: status.UNAUTHENTICATED,
  REPLAYED: status.UNAUTHENTICATED,
  TOKEN_REQUIRED: status.PERMISSION_DENIED,
  TOKEN_INVALID: status.PERMISSION_DENIED,
  TOKEN_EXPIRED: status.PERMISSION_DENIED,
  TOKEN_USED: status.PERMISSION_DENIED,
  NOT_ATTESTED: status.PERMISSION_DENIED,
  NO_CONSENT: status.PERMISSION_DENIED,
  WRONG_SUBJECT: status.PERMISSION_DENIED,
  UNKNOWN_POPULATION: status.NOT_FOUND,
  NOT_FOUND: status.NOT_FOUND,
  CONFLICT: status.ALREADY_EXISTS,
  ERASED: status.FAILED_PRECONDITION,
  CHAIN_BROKEN: status.FAILED_PRECONDITION,
  STALE_POLICY: status.FAILED_PRECONDITION,
  STALE_OFFER: status.FAILED_PRECONDITION,
  WITHDRAWN_LATER: status.FAILED_PRECONDITION,
  WRONG_STATE: status.FAILED_PRECONDITION,
  NOT_IN_ROUND: status.FAILED_PRECONDITION,
  INCOMPLETE_UPLOAD: status.FAILED_PRECONDITION,
  BUDGET_EXCEEDED: status.RESOURCE_EXHAUSTED,
  BUSY: status.RESOURCE_EXHAUSTED,
  RETRY: status.UNAVAILABLE,
  CANCELLED: status.CANCELLED,
};

/**
 * What an operator puts right while the coordinator runs, or by starting it again: a full disk, a clock that was set back. Devices
 * are to come back then, and what it was is the log's to say.
 */
const PASSING: ReadonlySet<CoordinatorErrorCode> = new Set(["STORE_FAILED", "LEDGER_STOPPED", "CLOCK_BEHIND"]);
const AFTER_PASSING_MS = 10_000;

/** An error as a caller is told it, whatever carries the call. */
export interface ToldError {
  /** gRPC's status; Connect numbers its codes the same. */
  readonly status: status;
  readonly detail: ErrorDetail;
}

/**
 * An error as the wire has it. What was not foreseen is told as INTERNAL and nothing more: its message could hold
 * anything.
 */
export function toldError(cause: unknown, serverTimeMs: number): ToldError {
  const known = cause instanceof CoordinatorError ? toCaller(cause) : undefined;
  const grpcStatus = known === undefined ? undefined : STATUS[known.code];
  const told = known !== undefined && grpcStatus !== undefined;
  const detail = create(ErrorDetailSchema, {
    code: told ? known.code : "INTERNAL",
    message: told ? known.message : "the coordinator failed at its own work; its log says how",
    retryAfterMs: told ? known.retryAfterMs : 0,
    serverTimeMs: BigInt(serverTimeMs),
  });
  return { status: grpcStatus ?? status.INTERNAL, detail };
}

function toCaller(cause: CoordinatorError): CoordinatorError {
  if (!PASSING.has(cause.code)) return cause;
  const message = "the coordinator cannot write its log at present, its log says why; come back";
  return new CoordinatorError("RETRY", message, { retryAfterMs: AFTER_PASSING_MS });
}

/** An error as gRPC sends it, with its `ErrorDetail` in the trailers. */
export function toServiceError(cause: unknown, serverTimeMs: number): Partial<ServiceError> {
  const { status: code, detail } = toldError(cause, serverTimeMs);
  const metadata = new Metadata();
  metadata.set(METADATA.error, Buffer.from(toBinary(ErrorDetailSchema, detail)));
  return { code, details: `${detail.code}: ${detail.message}`, metadata };
}

/** Whether a caller is told this error; all others are faults of the coordinator, to be logged. */
export function isTold(cause: unknown): boolean {
  return cause instanceof CoordinatorError && STATUS[cause.code] !== undefined;
}
