import type { RoundNotice } from "../rounds/engine.js";
import type { SendResult } from "../webhooks/sender.js";

/** An answered HTTP request, by its route: paths would make a metric of their own each. */
export interface AnsweredRequest {
  readonly requestId: string;
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  /** Public name of the token that was sent; undefined without one. */
  readonly tokenId: string | undefined;
}

/** What happens in a coordinator, for whoever counts it. No argument holds anything about a person. */
export interface Metrics {
  roundEntered(population: string, notice: RoundNotice): void;
  /** A signed call of a device came. */
  callReceived(method: string, bytes: number): void;
  requestAnswered(request: AnsweredRequest): void;
  webhookAttempted(endpoint: string, result: SendResult): void;
  /** A call found too many waiting. */
  turnedAway(): void;
  faulted(): void;
}

/** For a coordinator that nobody measures. */
export const NO_METRICS: Metrics = {
  roundEntered: () => undefined,
  callReceived: () => undefined,
  requestAnswered: () => undefined,
  webhookAttempted: () => undefined,
  turnedAway: () => undefined,
  faulted: () => undefined,
};
