// What another policy would have got, from the decisions of this one (Dudík, Langford, Li, Doubly robust policy evaluation
// and learning, 2011; Swaminathan, Joachims, The self-normalized estimator, 2015).
import { FeedbackError } from "../errors.js";
import type { Decision } from "./decision-log.js";

/** The probability of each arm in a context, under the policy that is asked about. */
export type TargetPolicy = (context: readonly number[], arm: string) => number;

/** The reward that a model expects of an arm in a context. */
export type RewardModel = (context: readonly number[], arm: string) => number;

/** An estimate of the mean reward of a policy. */
export interface PolicyEstimate {
  readonly value: number;
  readonly stdError: number;
  readonly decisions: number;
  /** As how many decisions of the policy itself the log counts (Kish: (Σw)²/Σw²). Small: the policies are too far apart. */
  readonly effectiveSampleSize: number;
}

interface Weighted {
  readonly decision: Decision;
  readonly weight: number;
}

function weighted(log: readonly Decision[], target: TargetPolicy): readonly Weighted[] {
  if (log.length < 2) throw new FeedbackError("BAD_OPTION", `expected at least two decisions, came ${log.length}`);
  return log.map((decision) => {
    const { propensity, context, arm } = decision;
    const wanted = target(context, arm);
    if (!(propensity > 0 && propensity <= 1 && wanted >= 0 && wanted <= 1)) {
      throw new FeedbackError("BAD_OPTION", "expected propensities above 0 up to 1, and a policy of probabilities");
    }
    return { decision, weight: wanted / propensity };
  });
}

function effectiveSampleSize(all: readonly Weighted[]): number {
  const sum = all.reduce((total, { weight }) => total + weight, 0);
  const squares = all.reduce((total, { weight }) => total + weight * weight, 0);
  return squares === 0 ? 0 : (sum * sum) / squares;
}

function meanOf(terms: readonly number[], all: readonly Weighted[]): PolicyEstimate {
  const n = terms.length;
  const value = terms.reduce((sum, each) => sum + each, 0) / n;
  const variance = terms.reduce((sum, each) => sum + (each - value) ** 2, 0) / (n - 1);
  return { value, stdError: Math.sqrt(variance / n), decisions: n, effectiveSampleSize: effectiveSampleSize(all) };
}

/** Inverse propensity scoring: unbiased, noisy where weights are large. @throws FeedbackError BAD_OPTION */
export function inversePropensity(log: readonly Decision[], target: TargetPolicy): PolicyEstimate {
  const all = weighted(log, target);
  return meanOf(
    all.map(({ decision, weight }) => weight * decision.reward),
    all,
  );
}

/** Self-normalised: a little biased, much less noisy; stays within the rewards. @throws FeedbackError BAD_OPTION, also where no decision has weight */
export function selfNormalised(log: readonly Decision[], target: TargetPolicy): PolicyEstimate {
  const all = weighted(log, target);
  const total = all.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0)
    throw new FeedbackError("BAD_OPTION", "expected decisions that the policy could have made, there are none");
  const value = all.reduce((sum, { decision, weight }) => sum + weight * decision.reward, 0) / total;
  const spread = all.reduce((sum, { decision, weight }) => sum + (weight * (decision.reward - value)) ** 2, 0);
  return {
    value,
    stdError: Math.sqrt(spread) / total,
    decisions: log.length,
    effectiveSampleSize: effectiveSampleSize(all),
  };
}

/**
 * Doubly robust: the model's guess, corrected by what was seen. Unbiased when the propensities are right or the model is.
 *
 * @param arms all that the policy may choose
 * @throws FeedbackError BAD_OPTION
 */
export function doublyRobust(
  log: readonly Decision[],
  target: TargetPolicy,
  arms: readonly string[],
  model: RewardModel,
): PolicyEstimate {
  const all = weighted(log, target);
  const terms = all.map(({ decision: { context, arm, reward }, weight }) => {
    const guess = arms.reduce((sum, each) => sum + target(context, each) * model(context, each), 0);
    return guess + weight * (reward - model(context, arm));
  });
  return meanOf(terms, all);
}
