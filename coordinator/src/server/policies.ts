import { createHash } from "node:crypto";
import { canonicalText, type EntryBodies, formatDecimal, formatEpsilon } from "@fedloop/consent";
import { CoordinatorError } from "../errors.js";
import type { Ledger } from "../ledger/ledger.js";
import type { LoadedPlan } from "../plan/load.js";
import { DEFAULT_DELTA, type PopulationPlan } from "../plan/population-plan.js";
import { strategyFamily } from "../plan/support.js";
import { ACCOUNTANT } from "../rounds/epsilons.js";

/** The policy in force for a population. */
export interface Policy {
  readonly version: number;
  /** Position of its policy.publish entry. */
  readonly index: number;
  readonly body: EntryBodies["policy.publish"];
  readonly notice: Uint8Array;
  readonly mediaType: string;
}

/** A run of correlated noise, and sums of groups that count apart, are stated for contributions that are replaced by zero. */
function adjacencyOf({ privacy, strategy }: PopulationPlan): EntryBodies["policy.publish"]["adjacency"] {
  const isApart = strategyFamily(strategy.id) === "group-sum" && privacy.mechanism !== "none";
  return privacy.mechanism === "dp-ftrl" || isApart ? "replace-special" : "add-or-remove-one";
}

/**
 * Publishes a plan's notice and limits, unless the newest policy of the population says just that. A changed policy
 * gets a new version, and everyone is asked again.
 *
 * @throws CoordinatorError BAD_PLAN when ε was about another unit so far
 */
export async function publishPolicy(
  ledger: Ledger,
  { plan, notice }: LoadedPlan,
  operatorKey: Uint8Array,
): Promise<Policy> {
  await ledger.refresh();
  const newest = ledger.view.policy(plan.population);
  if (newest !== undefined && newest.policy.unit !== plan.privacy.unit) {
    throw new CoordinatorError(
      "BAD_PLAN",
      `privacy.mechanism: expected ε for each ${newest.policy.unit}, as population ${plan.population} has it in the log, came ` +
        `${plan.privacy.mechanism} with ε for each ${plan.privacy.unit}; what both spend cannot be added up: name another population`,
    );
  }
  const body = (version: number): EntryBodies["policy.publish"] => ({
    population: plan.population,
    policy: version,
    controller: plan.controller,
    notice: plan.notice.sha256,
    noticeUri: plan.notice.uri,
    language: plan.language,
    purposes: [plan.purpose],
    limits: {
      epsilon: formatEpsilon(plan.cap?.epsilon ?? Number.POSITIVE_INFINITY),
      delta: formatDecimal(plan.cap?.delta ?? DEFAULT_DELTA),
    },
    unit: plan.privacy.unit,
    adjacency: adjacencyOf(plan),
    accountant: ACCOUNTANT,
    accountantVersion: "1",
    operatorKey: Buffer.from(operatorKey).toString("base64url"),
  });
  const { mediaType } = plan.notice;
  const inForce = (): Policy | undefined => {
    const found = ledger.view.policy(plan.population);
    if (found === undefined || canonicalText(found.policy) !== canonicalText(body(found.policy.policy)))
      return undefined;
    return { version: found.policy.policy, index: found.index, body: found.policy, notice, mediaType };
  };
  const present = inForce();
  if (present !== undefined) return present;
  const { result } = await ledger.commit(async (tx) => {
    // Another coordinator of this log, which starts at the same time, may have been first.
    const published = inForce();
    if (published !== undefined) return published;
    const next = body((ledger.view.policy(plan.population)?.policy.policy ?? 0) + 1);
    await tx.db
      .insertInto("blobs")
      .values({ sha256: createHash("sha256").update(notice).digest(), bytes: notice })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const { index } = await tx.append("policy.publish", next);
    return { version: next.policy, index, body: next, notice, mediaType };
  });
  return result;
}
