// Between the wire's words and the machine's.
import { type CheckInResponse, type RoundEvent, type Wait, WaitReason } from "@fedloop/proto";
import { asClientError, ClientError, isGuardCode } from "../errors.js";
import type { SeenCheckpoint } from "../guard/receipt.js";
import { mayComeBack } from "../transport/coordinator-client.js";
import type { WaitingReason } from "./events.js";
import type { CheckInOutcome, Failure, RoundNews, Window } from "./phases.js";

function windowOf(wait: Pick<Wait, "returnAfterMs" | "returnBeforeMs">): Window {
  return { afterMs: wait.returnAfterMs, beforeMs: Math.max(wait.returnBeforeMs, wait.returnAfterMs) };
}

/**
 * A round event.
 *
 * @param known the newest checkpoint that the device has verified: an offer that proves the log's growth from another one is
 * left out, and the device checks in as if there were none
 */
export function newsOf(event: RoundEvent, known: SeenCheckpoint | null): RoundNews {
  const { offer } = event;
  const isNext = offer !== undefined && Number(offer.consistency?.oldSize ?? 0n) === (known?.size ?? 0);
  return {
    ...(isNext ? { offered: { offer, known } } : {}),
    round: Number(event.round),
    state: event.state,
    reason: event.reason,
    next: event.next === undefined ? null : windowOf(event.next),
    isLast: event.next?.reason === WaitReason.FINISHED,
  };
}

const WAITING: { readonly [Reason in WaitReason]: WaitingReason | null } = {
  [WaitReason.UNSPECIFIED]: "no-round",
  [WaitReason.NO_ROUND]: "no-round",
  [WaitReason.FULL]: "cohort-full",
  [WaitReason.FINISHED]: null,
  [WaitReason.BUDGET]: "budget",
};

/**
 * The answer to a check-in.
 *
 * @param known the checkpoint that the request named
 * @throws ClientError PROTOCOL
 */
export function outcomeOf({ outcome }: CheckInResponse, known: SeenCheckpoint | null): CheckInOutcome {
  switch (outcome.case) {
    case "wait": {
      const reason = WAITING[outcome.value.reason];
      return reason === null ? { type: "finished" } : { type: "wait", window: windowOf(outcome.value), reason };
    }
    case "offer":
      return { type: "offer", offer: outcome.value, known };
    case "joined": {
      const { round, state, model } = outcome.value;
      const news = { round: Number(round), state, reason: "", next: null, isLast: false };
      return { type: "joined", news, ...(model.length > 0 ? { model } : {}) };
    }
    default:
      throw new ClientError("PROTOCOL", "expected an answer to the check-in, came an empty one");
  }
}

/** Codes of the coordinator that say that the device came too late, or to the wrong round. */
const STALE: ReadonlySet<string> = new Set(["STALE_OFFER", "NOT_IN_ROUND", "WRONG_STATE"]);

/** Codes of this runtime that end a round without being anyone's refusal. */
const LOCAL: ReadonlySet<string> = new Set([
  "BACKEND",
  "ENCODING",
  "HELD",
  "NON_FINITE",
  "STORE_BUSY",
  "STORE_FAILED",
  "TRAINER_FAILED",
  "WRONG_LENGTH",
]);

/** What a task's error means for participation. */
export function failureOf(cause: unknown): Failure {
  const error = asClientError(cause, "PROTOCOL", "participation failed in an unexpected way");
  const { code, message, remoteCode } = error;
  if (error.code === "BAD_MODEL") return { code: "GUARD_MODEL", message, kind: "guard" };
  if (isGuardCode(code)) return { code, message, kind: "guard" };
  if (mayComeBack(error)) return { code, message, kind: "unreachable" };
  if (LOCAL.has(code)) return { code, message, kind: "local" };
  const told = remoteCode ?? code;
  if (STALE.has(told)) return { code: told, message, kind: "stale" };
  if (told === "NO_CONSENT") return { code: told, message, kind: "ineligible" };
  return { code: told, message, kind: told === "BUDGET_EXCEEDED" ? "budget" : "remote" };
}
