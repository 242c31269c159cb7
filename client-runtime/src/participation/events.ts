import type { GuardCode } from "../errors.js";
import type { HoldReason } from "../scheduling/conditions.js";

/** Why a participant waits: for a round, or (`HoldReason`) until its device may train again. */
export type WaitingReason =
  | "no-round"
  | "cohort-full"
  | "budget"
  | "not-eligible"
  | "unreachable"
  | "round-over"
  | HoldReason;

/** What a participant tells its app while it takes part. */
export type ParticipationEvent =
  | {
      readonly type: "waiting";
      readonly reason: WaitingReason;
      /** The window in which the device checks in again, milliseconds from now; without end while the device is held. */
      readonly afterMs: number;
      readonly beforeMs: number;
    }
  | {
      readonly type: "training";
      readonly round: number;
      readonly kind: "train" | "evaluate";
      readonly purpose: string;
      /** 0 when it begins, 1 when it is done; told at most every tenth. */
      readonly progress: number;
    }
  /** The update is clipped, encoded and about to leave. */
  | { readonly type: "masked"; readonly round: number; readonly bytes: number }
  /** The update is part of the sum. */
  | { readonly type: "accepted"; readonly round: number }
  /** The device does not take part in a round, by its own decision. */
  | { readonly type: "refused"; readonly round: number; readonly code: GuardCode; readonly message: string }
  /** What the coordinator gave as the app's model is not what the log says: `Participant.model` has refused it. */
  | { readonly type: "model-refused"; readonly code: GuardCode; readonly message: string }
  /** A round that the device had joined ended without a result, or without this device. `reason` is a code. */
  | { readonly type: "abandoned"; readonly round: number; readonly reason: string }
  /** A round that the device took part in ended with a result. */
  | { readonly type: "released"; readonly round: number };
