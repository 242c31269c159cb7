// What an analytics round released, read from its plan in the log and from the noised sum: the same two give the same
// numbers to the last bit, here, in `fedloop analytics` and in a replay.
import { distributedMechanismOf, type EntryBodies } from "@fedloop/consent";
import { type AnalyticsQuery, type AnalyticsResult, analyticsResult, parseQuery } from "@fedloop/privacy/analytics";
import { CoordinatorError } from "../errors.js";
import { ANALYTICS_TRAINER } from "../plan/analytics.js";

type RoundPlan = EntryBodies["round.plan"];

/** Which question of a population's plan a round asked. */
export interface AskedQuery {
  readonly name: string;
  readonly turn: number;
  readonly step: number;
  readonly query: AnalyticsQuery;
}

/** The query of a logged plan; undefined for a round that asks none. @throws CoordinatorError LEDGER_CORRUPT */
export function askedIn({ kind, trainer }: Pick<RoundPlan, "kind" | "trainer">): AskedQuery | undefined {
  if (kind !== "evaluate" || trainer.id !== ANALYTICS_TRAINER) return undefined;
  const { name, turn, step, query } = trainer.settings;
  if (typeof name === "string" && typeof turn === "number" && typeof step === "number" && typeof query === "string") {
    return { name, turn, step, query: parseQuery(query) };
  }
  throw new CoordinatorError("LEDGER_CORRUPT", "expected name, turn, step and query in the plan of an analytics round");
}

/**
 * Variance of one coordinate of a released sum over what its participants contributed: the noise, and the rounding of
 * each contribution to integers, whose fractions are taken to be spread evenly (γ²/6 each).
 *
 * @param members whose vectors are in the sum, and with them their noise where devices add it
 */
export function releasedVariance(plan: RoundPlan, members: number): number {
  const granularity = Number(plan.update.granularity);
  const rounding = plan.update.encoding === "quantised" ? (members * granularity * granularity) / 6 : 0;
  const distributed = distributedMechanismOf(plan);
  if (distributed !== null) {
    const { deviceNoiseStdDev, quantisation } = distributed;
    return members * (deviceNoiseStdDev * quantisation.granularity) ** 2 + rounding;
  }
  const noiseStdDev = Number(plan.privacy.noiseMultiplier) * plan.update.integerNormBound * granularity;
  return noiseStdDev * noiseStdDev + rounding;
}

/** Reads the noised sum of a round by its plan. */
export function readRelease(plan: RoundPlan, sums: Float32Array, members: number): AnalyticsResult {
  const asked = askedIn(plan);
  if (asked === undefined) throw new CoordinatorError("INTERNAL", "expected a round that asks a query");
  return analyticsResult(asked.query, { sums, members, noiseVariance: releasedVariance(plan, members) });
}

/** The numbers of a result by name, as a round's record keeps them; what is withheld is left out. */
export function namedValues({ estimates }: AnalyticsResult): Readonly<Record<string, number>> {
  return Object.fromEntries(
    estimates.flatMap(({ name, estimate }) => (estimate === null ? [] : [[name, estimate.value]])),
  );
}
