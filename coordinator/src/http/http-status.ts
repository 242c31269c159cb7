import { CoordinatorError, type CoordinatorErrorCode } from "../errors.js";

/** The HTTP status of each code that a caller can meet; all others are 500. */
const STATUS: Partial<Record<CoordinatorErrorCode, number>> = {
  BAD_REQUEST: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  TOO_LARGE: 413,
  OUT_OF_RANGE: 404,
  NOT_FOUND: 404,
  UNKNOWN_POPULATION: 404,
  CONFLICT: 409,
  WRONG_STATE: 409,
  BUSY: 429,
  RETRY: 503,
};

/** What a caller is told of an error, and with which status. */
export interface HttpFailure {
  readonly status: number;
  /** Whether the cause is the caller's or a passing state, rather than a fault to be logged. */
  readonly told: boolean;
  readonly code: string;
  readonly message: string;
  /** Whole seconds, 0 where trying again does not help. */
  readonly retryAfterSeconds: number;
}

/**
 * An error as HTTP sends it. What was not foreseen is told as INTERNAL and nothing more: its message could hold
 * anything.
 */
export function httpFailure(cause: unknown): HttpFailure {
  if (cause instanceof CoordinatorError) {
    const status = STATUS[cause.code];
    if (status !== undefined) {
      const { code, message, retryAfterMs } = cause;
      return { status, told: true, code, message, retryAfterSeconds: Math.ceil(retryAfterMs / 1_000) };
    }
  }
  const status = statusOf(cause);
  if (status !== undefined && cause instanceof Error) {
    const code = status === 413 ? "TOO_LARGE" : "BAD_REQUEST";
    return { status, told: true, code, message: cause.message, retryAfterSeconds: 0 };
  }
  const message = "the coordinator failed at its own work; its log says how";
  return { status: 500, told: false, code: "INTERNAL", message, retryAfterSeconds: 0 };
}

/** What Fastify itself refuses (a body too large, malformed JSON) carries a status below 500. */
function statusOf(cause: unknown): number | undefined {
  if (typeof cause !== "object" || cause === null || !("statusCode" in cause) || !("code" in cause)) return undefined;
  const { statusCode, code } = cause;
  const refused = typeof statusCode === "number" && statusCode >= 400 && statusCode < 500;
  return refused && typeof code === "string" && code.startsWith("FST_") ? statusCode : undefined;
}
