import type { RandomSource } from "@fedloop/privacy";
import { type ClientError, throwIfAborted } from "../errors.js";
import type { Clock } from "../scheduling/clock.js";

/** How often and how fast a failed call is made again. */
export interface RetryPolicy {
  /** Attempts before the failure is told; answers that ask to come back (BUSY, RETRY) do not count. */
  readonly attempts: number;
  /** The first pause, doubled for each further one up to `longestMs`; each is drawn from its upper half. */
  readonly firstMs: number;
  readonly longestMs: number;
}

export const defaultRetryPolicy: RetryPolicy = { attempts: 5, firstMs: 200, longestMs: 10_000 };

/** A uniform number in [0, 1) of 32 random bits: for spreading calls over time, not for privacy. */
export function uniform(random: RandomSource): number {
  const bytes = new Uint8Array(4);
  random.fill(bytes);
  return new DataView(bytes.buffer).getUint32(0) / 2 ** 32;
}

/** The pause before attempt `attempt` + 1, in milliseconds, never below what the coordinator asked for. */
export function pauseMs(policy: RetryPolicy, attempt: number, askedMs: number, random: RandomSource): number {
  if (askedMs > 0) return askedMs * (1 + uniform(random) / 2);
  const longest = Math.min(policy.firstMs * 2 ** (attempt - 1), policy.longestMs);
  return (longest / 2) * (1 + uniform(random));
}

/** Whether the coordinator is there and asks to come back. */
export function isAskedToReturn(error: ClientError): boolean {
  return error.code === "REMOTE" && (error.remoteCode === "BUSY" || error.remoteCode === "RETRY");
}

/** A nonce that was met before: the network delivered the call twice, and another copy of it was answered. */
function isReplayed(error: ClientError): boolean {
  return error.code === "REMOTE" && error.remoteCode === "REPLAYED";
}

function isPassing(error: ClientError): boolean {
  return error.code === "UNAVAILABLE" || error.code === "DEADLINE" || isReplayed(error) || isAskedToReturn(error);
}

export interface RetryDependencies {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/**
 * Makes a call until it succeeds, fails for good, or has failed often enough. Only for idempotent calls.
 *
 * @param attempt one attempt, with its own nonce; it throws `ClientError`
 * @param asClientError what the attempt threw
 */
export async function withRetries<T>(
  { policy, clock, random }: RetryDependencies,
  attempt: () => Promise<T>,
  asClientError: (cause: unknown) => ClientError,
  signal: AbortSignal | undefined,
): Promise<T> {
  let failures = 0;
  for (;;) {
    throwIfAborted(signal);
    try {
      return await attempt();
    } catch (cause) {
      const error = asClientError(cause);
      if (!isPassing(error)) throw error;
      if (!isAskedToReturn(error)) failures += 1;
      if (failures >= policy.attempts) throw error;
      await clock.wait(pauseMs(policy, Math.max(failures, 1), error.retryAfterMs, random), signal);
    }
  }
}
