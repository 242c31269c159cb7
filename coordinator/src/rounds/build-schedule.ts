import { type CentralGaussian, centralGaussian, type DpEvent, noiseMultiplierFor } from "@fedloop/privacy";
import { DEFAULT_DELTA, type PlanEvaluation, type PopulationPlan } from "../plan/population-plan.js";
import type { RoundKind } from "../store/database.js";
import { strategyFor } from "../strategies/registry.js";
import type { UpdateFormat } from "./aggregator.js";
import { ACCOUNTANT } from "./budget.js";
import { metricReader } from "./metrics.js";
import type { RoundSpec } from "./round-spec.js";
import type { Schedule } from "./schedule.js";

/** Evaluation vectors are short: width costs nothing, so their grain is fine. Bits a coordinate. */
const EVALUATION_BITS = 24;

/** Without a mechanism and without a clip in the plan, updates are bounded by this: a bound that no sound one meets. */
const LOOSEST_CLIP_NORM = 1e9;

/** A population gives up after this many rounds in a row that were abandoned. */
const MAX_ABANDONED = 3;

/** Pace steering: devices are asked to come back spread out, so that about so many arrive in a millisecond. */
const ARRIVALS_A_MS = 5;
const MAX_WINDOW_MS = 60_000;

/** Noise multipliers of the two kinds of rounds. */
interface NoisePlan {
  readonly train: number;
  readonly evaluate: number;
}

/**
 * Works a plan out: every round with its mechanism, the noise calibrated so that all rounds together stay within the
 * target.
 *
 * @param policy version of the policy entry in force
 * @throws CoordinatorError BAD_PLAN, PrivacyError when no noise meets the target
 */
export function buildSchedule(plan: PopulationPlan, policy: number): Schedule {
  const strategy = strategyFor(plan.strategy);
  const noise = noisePlan(plan);
  const kinds = roundKinds(plan);
  const train = trainSpec(plan, strategy.updateLength(plan.model.parameters), noise.train);
  const evaluate = plan.evaluation === null ? undefined : evaluationSpec(plan, plan.evaluation, noise.evaluate);
  const rounds = kinds.flatMap((kind) => (kind === "train" ? [train] : evaluate === undefined ? [] : [evaluate]));
  return {
    population: plan.population,
    purpose: plan.purpose,
    policy,
    rounds,
    maxAbandoned: MAX_ABANDONED,
    cap: plan.cap ?? { epsilon: Number.POSITIVE_INFINITY, delta: DEFAULT_DELTA },
    participantCap: {
      epsilon: plan.participantLimits.epsilon ?? plan.cap?.epsilon ?? Infinity,
      rounds: plan.participantLimits.rounds ?? Infinity,
    },
    tensors: plan.model.tensors,
    strategy,
    returnWindowMs: { after: 20, before: 20 + Math.min(Math.ceil(plan.cohort.target / ARRIVALS_A_MS), MAX_WINDOW_MS) },
    metrics: metricReader(plan.evaluation?.metric ?? "none"),
  };
}

/** Training rounds with an evaluation after every so many, and after the last. */
function roundKinds(plan: PopulationPlan): RoundKind[] {
  const kinds: RoundKind[] = [];
  for (let round = 1; round <= plan.rounds; round++) {
    kinds.push("train");
    if (plan.evaluation !== null && (round % plan.evaluation.every === 0 || round === plan.rounds)) {
      kinds.push("evaluate");
    }
  }
  return kinds;
}

/**
 * A given multiplier holds for every round. A target is split in units of zero-concentrated privacy, which adds up
 * over rounds as 1/(2z²): the evaluations get their share, the training rounds the rest.
 */
function noisePlan({ privacy, rounds, evaluation }: PopulationPlan): NoisePlan {
  if (privacy.mechanism === "none") return { train: 0, evaluate: 0 };
  if (privacy.noise.type === "multiplier") {
    return { train: privacy.noise.noiseMultiplier, evaluate: privacy.noise.noiseMultiplier };
  }
  const share = evaluation?.budgetShare ?? 0;
  const trainScale = Math.sqrt(rounds / (1 - share));
  const evaluateScale = evaluation === null ? 0 : Math.sqrt(evaluation.count / share);
  const total = noiseMultiplierFor({
    epsilon: privacy.noise.epsilon,
    delta: privacy.noise.delta,
    accountant: ACCOUNTANT,
    event: (z) => {
      const training: DpEvent = { type: "SelfComposed", count: rounds, event: gaussian(z * trainScale) };
      if (evaluation === null) return training;
      const evaluating: DpEvent = {
        type: "SelfComposed",
        count: evaluation.count,
        event: gaussian(z * evaluateScale),
      };
      return { type: "Composed", events: [training, evaluating] };
    },
  });
  return { train: total * trainScale, evaluate: total * evaluateScale };
}

function gaussian(noiseMultiplier: number): DpEvent {
  return { type: "Gaussian", noiseMultiplier };
}

function trainSpec(plan: PopulationPlan, length: number, noiseMultiplier: number): RoundSpec {
  const { privacy, trainer } = plan;
  const noised = privacy.mechanism !== "none";
  const mechanism = noised
    ? centralGaussian({ clipNorm: privacy.clipNorm, noiseMultiplier, bits: privacy.bits, dimension: length })
    : null;
  return {
    kind: "train",
    ...sharedSpec(plan, mechanism),
    trainer,
    format: formatOf(mechanism, length),
  };
}

function evaluationSpec(plan: PopulationPlan, evaluation: PlanEvaluation, noiseMultiplier: number): RoundSpec {
  const { length, clipNorm } = evaluation;
  const noised = plan.privacy.mechanism !== "none";
  const mechanism = noised
    ? centralGaussian({ clipNorm, noiseMultiplier, bits: EVALUATION_BITS, dimension: length })
    : null;
  return {
    kind: "evaluate",
    ...sharedSpec(plan, mechanism),
    trainer: { id: plan.trainer.id, settings: { ...plan.trainer.settings, ...evaluation.settings } },
    format: formatOf(mechanism, length),
  };
}

function sharedSpec(plan: PopulationPlan, mechanism: CentralGaussian | null) {
  const { secureAggregation } = plan;
  return {
    purpose: plan.purpose,
    mechanism,
    clipNorm: mechanism?.clipNorm ?? plan.privacy.clipNorm ?? LOOSEST_CLIP_NORM,
    event: mechanism?.event ?? ({ type: "NonPrivate" } satisfies DpEvent),
    noPrivacyReason: plan.privacy.mechanism === "none" ? plan.privacy.reason : null,
    secureAggregation: { enabled: false, reason: secureAggregation.enabled ? "" : secureAggregation.reason } as const,
    divisor: plan.cohort.target,
    cohort: plan.cohort,
    deadlines: plan.deadlines,
  };
}

/** Noise sits on integers, so a noised update is quantised; one without noise travels as plain floats. */
function formatOf(mechanism: CentralGaussian | null, length: number): UpdateFormat {
  return mechanism === null
    ? { length, encoding: "float32", quantisation: { granularity: 1, integerNormBound: 1, bits: 32 } }
    : { length, encoding: "quantised", quantisation: mechanism.quantisation };
}
