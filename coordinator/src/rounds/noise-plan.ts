import { exampleLevelMechanism } from "@fedloop/consent";
import { type DpEvent, noiseMultiplierFor, strategyCoefficients, toeplitzSensitivity } from "@fedloop/privacy";
import type { PlanRun, PopulationPlan } from "../plan/population-plan.js";
import { ACCOUNTANT } from "./epsilons.js";
import { queriesOf } from "./query-rounds.js";

/** Noise multipliers of the two kinds of rounds. */
export interface NoisePlan {
  readonly train: number;
  readonly evaluate: number;
  /** Of a query of weight 1. */
  readonly ask: number;
}

/**
 * A given multiplier holds for every round. A target is split in units of zero-concentrated privacy, which adds up
 * over rounds as 1/(2z²): the evaluations get their share, the training rounds the rest.
 */
export function noisePlan(plan: PopulationPlan): NoisePlan {
  const { privacy, rounds, evaluation } = plan;
  if (privacy.mechanism === "none") return { train: 0, evaluate: 0, ask: 0 };
  if (privacy.noise.type === "multiplier") {
    const { noiseMultiplier } = privacy.noise;
    return { train: noiseMultiplier, evaluate: noiseMultiplier, ask: noiseMultiplier };
  }
  const { run, examples } = privacy;
  const { analytics } = plan;
  const asking = analytics === null ? 0 : rounds === 0 ? 1 : analytics.budgetShare;
  // Queries add up as 1/z² times their weight.
  const weights = queriesOf(plan).reduce((sum, { times, steps, weight }) => sum + times * steps * weight, 0);
  const share = evaluation?.budgetShare ?? 0;
  const evaluateScale = evaluation === null ? 0 : Math.sqrt(evaluation.count / share);
  if (examples !== null) return exampleNoise(plan, evaluateScale);
  // A run costs as much as one release whose sensitivity is that of all of a participant's steps together.
  const releases = run === null ? rounds : runSensitivity(run, rounds) ** 2;
  const trainScale = rounds === 0 ? 0 : Math.sqrt(releases / (1 - share - asking));
  const askScale = analytics === null ? 0 : Math.sqrt(weights / asking);
  const total = noiseMultiplierFor({
    epsilon: privacy.noise.epsilon,
    delta: privacy.noise.delta,
    accountant: ACCOUNTANT,
    event: (z) => {
      const events: DpEvent[] = [];
      if (rounds > 0) events.push(gaussian((z * trainScale) / Math.sqrt(releases)));
      if (evaluation !== null) {
        events.push({ type: "SelfComposed", count: evaluation.count, event: gaussian(z * evaluateScale) });
      }
      if (analytics !== null) events.push(gaussian((z * askScale) / Math.sqrt(weights)));
      return { type: "Composed", events };
    },
  });
  return { train: total * trainScale, evaluate: total * evaluateScale, ask: total * askScale };
}

/** L2 sensitivity of a run, over the clip norm. */
function runSensitivity({ strategy, minSeparation, maxParticipations }: PlanRun, steps: number): number {
  return toeplitzSensitivity(strategyCoefficients(strategy, steps), { steps, minSeparation, maxParticipations });
}

/**
 * Example-level training costs less than Gaussian noise would, by its sampling, so shares do not add up: the evaluations
 * get the noise of their share, and training what is left.
 */
function exampleNoise(plan: PopulationPlan, evaluateScale: number): NoisePlan {
  const { privacy, rounds, evaluation } = plan;
  if (!("examples" in privacy) || privacy.examples === null || privacy.noise.type !== "target") {
    return { train: 0, evaluate: 0, ask: 0 };
  }
  const { examples, noise } = privacy;
  const { epsilon, delta } = noise;
  const evaluate =
    evaluation === null
      ? 0
      : evaluateScale * noiseMultiplierFor({ epsilon, delta, accountant: ACCOUNTANT, event: gaussian });
  const train = noiseMultiplierFor({
    epsilon,
    delta,
    accountant: ACCOUNTANT,
    event: (noiseMultiplier) => {
      const { event } = exampleLevelMechanism({ ...examples, noiseMultiplier, updateLength: plan.model.parameters });
      const training: DpEvent = { type: "SelfComposed", count: rounds, event };
      if (evaluation === null) return training;
      const evaluating: DpEvent = { type: "SelfComposed", count: evaluation.count, event: gaussian(evaluate) };
      return { type: "Composed", events: [training, evaluating] };
    },
  });
  return { train, evaluate, ask: 0 };
}

function gaussian(noiseMultiplier: number): DpEvent {
  return { type: "Gaussian", noiseMultiplier };
}
