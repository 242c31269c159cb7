// Where a round that a former process began goes on.
import { parseEntry } from "@fedloop/consent";
import type { Ledger } from "../ledger/ledger.js";
import { selectionGoal } from "../plan/selection-goal.js";
import type { Device } from "../registry/device.js";
import type { Store } from "../store/database.js";
import { plannedRound, type RoundProgress } from "./machine.js";
import type { StoredRound } from "./population-state.js";
import type { RoundSpec } from "./round-spec.js";
import type { ResumedRound } from "./round-work.js";

/** A round at its beginning, or where the store says that it stands. */
export function progressOf(spec: RoundSpec, found: StoredRound | undefined): RoundProgress {
  const { target, minimum } = spec.cohort;
  const planned = plannedRound({
    secureAggregation: spec.secureAggregation.enabled,
    selectionGoal: selectionGoal(spec.cohort),
    minimum,
    bufferSize: spec.staleness === null ? undefined : target,
    ...spec.deadlines,
  });
  return found === undefined ? planned : { ...planned, state: found.state, deadlineMs: found.deadlineMs };
}

/**
 * What a resumed round has logged before the process ended.
 *
 * @param lastDebit leaf hash of the population's newest debit
 */
export async function resumedRound(
  found: StoredRound,
  ledger: Ledger,
  lastDebit: Uint8Array | undefined,
): Promise<ResumedRound> {
  const plan = found.planIndex === null ? undefined : parseEntry(await ledger.entry(found.planIndex));
  const isDebited = found.state === "debited" || found.state === "released";
  return {
    plan:
      plan === undefined || plan.type !== "round.plan" || found.planIndex === null || found.planHash === null
        ? undefined
        : { index: found.planIndex, hash: found.planHash, body: plan.body },
    aggregate: found.aggregate,
    modelOut: found.modelOut,
    strategyState: found.strategyState,
    debit: isDebited ? lastDebit : undefined,
  };
}

/** Whether a sum with a device's update is noised already, and its round not yet closed. */
export async function isBeingReleased(store: Store, population: string, device: Device): Promise<boolean> {
  const found = await store.db
    .selectFrom("rounds")
    .innerJoin("participants", (join) =>
      join.onRef("participants.population", "=", "rounds.population").onRef("participants.round", "=", "rounds.round"),
    )
    .select("rounds.round")
    .where("rounds.population", "=", population)
    .where("rounds.state", "in", ["aggregated", "debited", "released"])
    .where("participants.device_id", "=", Buffer.from(device.id, "base64url"))
    .where("participants.state", "=", "submitted")
    .executeTakeFirst();
  return found !== undefined;
}
