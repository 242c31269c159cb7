// What a participant's state consists of, what moves it, and what follows from it.
import type { Offer, RoundState } from "@fedloop/proto";
import type { Verdict, VerifiedPlan } from "../guard/offer.js";
import type { SeenCheckpoint } from "../guard/receipt.js";
import type { ParticipationEvent, WaitingReason } from "./events.js";

/** When to check in again, milliseconds from now. */
export interface Window {
  readonly afterMs: number;
  readonly beforeMs: number;
}

/** A wait until the next round. */
export interface Idle {
  readonly asked: Window;
  readonly reason: WaitingReason;
}

/** The steps of secure aggregation, named after the round's states. */
export type SecureStep = "keys" | "shares" | "masked" | "consistency" | "unmask";

/** Where a participant stands. */
export type Phase =
  /**
   * `offered`: the round to verify after the rest; without one the device checks in. `round`: the one that it is to come to.
   * `idle`: when it was asked to come, and why it waits, where there is nothing to come to.
   */
  | {
      readonly type: "resting";
      readonly offered: Offered | null;
      readonly round: number | null;
      readonly idle: Idle | null;
    }
  | { readonly type: "checking"; readonly heard: RoundNews | null }
  | { readonly type: "verifying"; readonly round: number }
  /** Asks for a place; `heard` is what was told of the round meanwhile. */
  | { readonly type: "joining"; readonly plan: VerifiedPlan; readonly heard: RoundNews | null }
  /** Has a place; waits until the cohort is complete. */
  | { readonly type: "joined"; readonly plan: VerifiedPlan; readonly model: Uint8Array | null }
  /** Fetches the model, trains, encodes. `isLate`: the round went on without, and what is made is for a later one. */
  | { readonly type: "working"; readonly plan: VerifiedPlan; readonly isLate?: true }
  /** Goes through secure aggregation, step by step; `isDone` when the step waits for the round. */
  | {
      readonly type: "securing";
      readonly plan: VerifiedPlan;
      readonly step: SecureStep;
      readonly isDone: boolean;
      readonly heard: RoundNews | null;
    }
  | { readonly type: "submitting"; readonly plan: VerifiedPlan; readonly heard: RoundNews | null }
  /** Has handed in; waits for the round to end. */
  | { readonly type: "submitted"; readonly plan: VerifiedPlan; readonly released: boolean }
  | { readonly type: "finished" };

export interface Participation {
  readonly phase: Phase;
  /** Number of the task under way; answers of earlier ones are not listened to. */
  readonly task: number;
  /** The last round that was refused to the app, so that it is told once. */
  readonly lastRefused: number;
  /** The last round that was heard to select, so that its beginning is acted on once. */
  readonly lastHeard: number;
  /** Whether round events come: not yet, now, or no longer. */
  readonly stream: "none" | "open" | "broken";
}

/** An offer, and the checkpoint from which it proves that the log grew. */
export interface Offered {
  readonly offer: Offer;
  readonly known: SeenCheckpoint | null;
}

/** A round event as the machine reads it. */
export interface RoundNews {
  readonly round: number;
  readonly state: RoundState;
  readonly reason: string;
  /** When to check in: for a round that selects, or after one that ended. */
  readonly next: Window | null;
  /** The population's rounds are done. */
  readonly isLast: boolean;
  /** With a round that selects, where the coordinator offers it at once. */
  readonly offered?: Offered;
}

/** What the coordinator answered to a check-in. */
export type CheckInOutcome =
  | { readonly type: "wait"; readonly window: Window; readonly reason: WaitingReason }
  | { readonly type: "finished" }
  | ({ readonly type: "offer" } & Offered)
  /** `model`: its bytes, where they came with the place. */
  | { readonly type: "joined"; readonly news: RoundNews; readonly model?: Uint8Array };

export type ParticipationMessage =
  | { readonly type: "started" }
  | { readonly type: "rested"; readonly task: number }
  | { readonly type: "checkedIn"; readonly task: number; readonly outcome: CheckInOutcome }
  | { readonly type: "verified"; readonly task: number; readonly verdict: Verdict }
  | { readonly type: "encoded"; readonly task: number; readonly update: Uint8Array }
  /** The update is ready to be masked. */
  | { readonly type: "prepared"; readonly task: number }
  /** A step of secure aggregation is done. */
  | { readonly type: "secured"; readonly task: number; readonly step: SecureStep }
  | { readonly type: "submitted"; readonly task: number; readonly accepted: boolean }
  | { readonly type: "failed"; readonly task: number; readonly failure: Failure }
  | { readonly type: "news"; readonly news: RoundNews }
  /** The stream of round events is open: its first event follows. */
  | { readonly type: "watchOpened" }
  /** It has ended, or could not be opened. */
  | { readonly type: "watchBroken" }
  | { readonly type: "withdrawn"; readonly purposes: readonly string[]; readonly remaining: number };

/** Why a task did not do what it was to do. */
export interface Failure {
  /** A ClientError's code, or the coordinator's own. */
  readonly code: string;
  readonly message: string;
  readonly kind: "guard" | "unreachable" | "stale" | "budget" | "ineligible" | "local" | "remote";
}

/** What the driver is to do. Those with a task answer with that number; a new one ends the one before. */
export type ParticipationEffect =
  | { readonly type: "rest"; readonly task: number; readonly window: Window }
  | { readonly type: "checkIn"; readonly task: number; readonly join: VerifiedPlan | null }
  | ({ readonly type: "verify"; readonly task: number } & Offered)
  /** `model`: its bytes, not checked yet; null where they have to be fetched. */
  | { readonly type: "work"; readonly task: number; readonly plan: VerifiedPlan; readonly model: Uint8Array | null }
  | { readonly type: "submit"; readonly task: number; readonly plan: VerifiedPlan; readonly update: Uint8Array }
  | { readonly type: "secure"; readonly task: number; readonly plan: VerifiedPlan; readonly step: SecureStep }
  /** End the task under way; nobody waits for its answer. */
  | { readonly type: "stop" }
  /** See to it that round events come. */
  | { readonly type: "watch" }
  /** The round's end is known: what was counted for it stays. */
  | { readonly type: "settle"; readonly round: number }
  | { readonly type: "leave"; readonly round: number; readonly reason: string }
  | { readonly type: "emit"; readonly event: ParticipationEvent }
  | { readonly type: "fail"; readonly failure: Failure }
  | { readonly type: "finish" };

export interface ParticipationStep {
  readonly participation: Participation;
  readonly effects: readonly ParticipationEffect[];
}
