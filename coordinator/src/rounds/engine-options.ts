import type { RoundKind } from "../store/database.js";
import type { StrategyFamily } from "../strategies/strategy.js";
import type { Collected, UpdateFormat } from "./aggregator.js";
import type { Member } from "./cohort.js";
import type { EventHub } from "./event-hub.js";
import type { RoundProgress } from "./machine.js";
import type { SecureRound } from "./secure-round.js";
import type { AbandonReason, RoundState } from "./states.js";
import type { UploadBuffers } from "./upload-buffers.js";

/** What watchers of a population are told. */
export interface RoundNotice {
  readonly round: number;
  readonly kind: RoundKind;
  readonly state: RoundState;
  readonly deadlineMs: number | null;
  readonly reason: AbandonReason | null;
}

/** What the engine leaves to others: the durable record, the budget, the model. Each call is one transition. */
export interface RoundWork {
  /** Reserves the budget and logs the plan. @throws CoordinatorError BUDGET_EXCEEDED */
  reserve(): Promise<void>;
  configure(members: readonly Member[]): Promise<void>;
  /** A transition without work of its own. */
  enter(state: RoundState, deadlineMs: number | null): Promise<void>;
  aggregate(collected: Collected, submitted: readonly Member[]): Promise<void>;
  debit(): Promise<void>;
  release(): Promise<void>;
  close(): Promise<void>;
  abandon(reason: AbandonReason): Promise<void>;
}

export interface RoundEngineOptions {
  readonly round: number;
  readonly kind: RoundKind;
  readonly format: UpdateFormat;
  /** What the round's result is made of. Left out: the sum. */
  readonly family?: StrategyFamily | undefined;
  /** Where the round stands: just planned, or as found in the store after a restart. */
  readonly progress: RoundProgress;
  readonly work: RoundWork;
  readonly clock: { now(): number };
  readonly hub: EventHub<RoundNotice>;
  /** Told of every state that is durable, those included that watchers never see. */
  readonly onNotice?: ((notice: RoundNotice) => void) | undefined;
  /** Uploads of large updates held at a time. */
  readonly concurrentUploads: number;
  /** What uploads of the rounds before lay in; by default this round begins without. */
  readonly uploadBuffers?: UploadBuffers | undefined;
  /** Makes the round's secure aggregation, once its plan is in the log; null where the plan does without. */
  readonly secure: (() => SecureRound) | null;
}
