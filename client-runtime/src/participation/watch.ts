import type { RandomSource } from "@fedloop/privacy";
import { type RoundEvent, Rounds } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import type { Clock } from "../scheduling/clock.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";
import { pauseMs, type RetryPolicy } from "../transport/retry.js";

export interface WatchDependencies {
  readonly client: CoordinatorClient;
  readonly population: string;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly retry: RetryPolicy;
  /** Of the newest checkpoint that the device has verified; 0 for none. */
  readonly knownTreeSize: () => number;
}

/**
 * Follows a population's round events until the signal is aborted. The stream is opened again whenever it ends: it may
 * be down as long as the coordinator is.
 *
 * @throws ClientError BAD_OPTION when the app has more participants than there are connections
 * @param onState told that a stream is open, before its first event, and when it has ended or could not be opened
 */
export async function watchRounds(
  { client, population, clock, random, retry, knownTreeSize }: WatchDependencies,
  onEvent: (event: RoundEvent) => void,
  onState: (isOpen: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    let askedMs = 0;
    let isOpen = false;
    try {
      const request = { population, knownTreeSize: BigInt(knownTreeSize()) };
      for await (const event of client.stream(Rounds.method.watch, request, signal)) {
        if (!isOpen) onState(true);
        isOpen = true;
        failures = 0;
        onEvent(event);
      }
    } catch (cause) {
      if (signal.aborted) return;
      if (cause instanceof ClientError && cause.code === "BAD_OPTION") throw cause;
      if (cause instanceof ClientError) askedMs = cause.retryAfterMs;
    }
    onState(false);
    failures += 1;
    try {
      await clock.wait(pauseMs(retry, Math.min(failures, 30), askedMs, random), signal);
    } catch {
      return;
    }
  }
}
