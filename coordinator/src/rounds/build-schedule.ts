import { exampleLevelMechanism } from "@fedloop/consent";
import type { DpEvent } from "@fedloop/privacy";
import { CoordinatorError } from "../errors.js";
import type { PlanQuery } from "../plan/analytics.js";
import {
  DEFAULT_DELTA,
  type PlanAdaptiveClipping,
  type PlanEvaluation,
  type PlanPrivacy,
  type PopulationPlan,
} from "../plan/population-plan.js";
import type { RoundKind } from "../store/database.js";
import { strategyFor } from "../strategies/registry.js";
import type { Strategy } from "../strategies/strategy.js";
import { reportShare, wholeNorm } from "./adaptive-clip.js";
import { epsilonsOf } from "./epsilons.js";
import { metricReader } from "./metrics.js";
import { noisePlan } from "./noise-plan.js";
import { queriesOf, queryNoiseMultiplier, queryRounds, queryShape, tuningOf } from "./query-rounds.js";
import { type EncodingChoice, encodingOf, type RoundEncoding } from "./round-encoding.js";
import type { AdaptiveClip, RoundSpec } from "./round-spec.js";
import type { Schedule } from "./schedule.js";

/** Evaluation vectors are short: width costs nothing, so their grain is fine. Bits a coordinate. */
const EVALUATION_BITS = 24;
/** As many as there are, where they have to hold a group's sum. */
const SECURE_EVALUATION_BITS = 32;

/** Without a mechanism and without a clip in the plan, updates are bounded by this: a bound that no sound one meets. */
const LOOSEST_CLIP_NORM = 1e9;

/**
 * Works a plan out: every round with its mechanism, the noise calibrated so that all rounds together stay within the
 * target.
 *
 * @param policy version of the policy entry in force
 * @throws CoordinatorError BAD_PLAN, PrivacyError when no noise meets the target
 */
export function buildSchedule(plan: PopulationPlan, policy: number): Schedule {
  const strategy = strategyFor(plan.strategy);
  requireVectors(plan, strategy);
  const kinds = roundKinds(plan);
  const { train, evaluate, ask } = calibrated(plan, strategy.updateLength(plan.model.parameters));
  const trained = kinds.flatMap((kind) => (kind === "train" ? train : evaluate) ?? []);
  const asked = plan.analytics === null ? [] : queryRounds(plan.analytics, ask);
  const rounds = plan.analytics?.when === "before" ? [...asked, ...trained] : [...trained, ...asked];
  return {
    population: plan.population,
    purpose: plan.purpose,
    policy,
    rounds,
    cap: plan.cap ?? { epsilon: Number.POSITIVE_INFINITY, delta: DEFAULT_DELTA },
    participantCap: {
      epsilon: plan.participantLimits.epsilon ?? plan.cap?.epsilon ?? Infinity,
      rounds: plan.participantLimits.rounds ?? Infinity,
    },
    tensors: plan.model.tensors,
    strategy,
    releases: plan.release,
    metrics: metricReader(plan.evaluation?.metric ?? "none"),
  };
}

/** @throws CoordinatorError BAD_PLAN when the smallest cohort has fewer updates or groups than the strategy's rule takes */
function requireVectors({ cohort, secureAggregation }: PopulationPlan, strategy: Strategy): void {
  if (strategy.family === "sum") return;
  const { id, family, minimumVectors } = strategy;
  const isOfUpdates = family === "per-update";
  const target = secureAggregation.enabled ? secureAggregation.groupTarget : cohort.minimum;
  const vectors = isOfUpdates ? cohort.minimum : Math.floor(cohort.minimum / target);
  if (vectors >= minimumVectors) return;
  throw new CoordinatorError(
    "BAD_PLAN",
    `cohort.minimum: expected at least ${minimumVectors} ${isOfUpdates ? "updates" : "groups"} for ${id}, came ${vectors}`,
  );
}

/** The kinds of rounds. */
interface RoundSpecs {
  /** Undefined where the plan asks queries. */
  readonly train: RoundSpec | undefined;
  readonly evaluate: RoundSpec | undefined;
  /** One for each query of the plan. */
  readonly ask: readonly RoundSpec[];
}

/** Some noise costs a little more than the Gaussian that it is like: how much is added to it at a time. */
const NOISE_STEP = 1.001;
const MOST_NOISE_STEPS = 300;

/**
 * Both kinds of rounds, with the noise for the plan's target. It is found for Gaussian noise by one accountant; noise on
 * the devices is a sum of many, whose bound is a little above that, and it is raised until all events together stay within
 * by both accountants.
 *
 * @throws CoordinatorError BAD_PLAN
 */
function calibrated(plan: PopulationPlan, length: number): RoundSpecs {
  const noise = noisePlan(plan);
  const specs = (scale: number): RoundSpecs => ({
    train: plan.rounds > 0 ? trainSpec(plan, length, noise.train * scale) : undefined,
    evaluate: plan.evaluation === null ? undefined : evaluationSpec(plan, plan.evaluation, noise.evaluate * scale),
    ask: queriesOf(plan).map((query) => querySpec(plan, query, queryNoiseMultiplier(noise.ask * scale, query))),
  });
  const { privacy } = plan;
  if (privacy.mechanism === "none" || privacy.noise.type !== "target") return specs(1);
  const { epsilon, delta } = privacy.noise;
  for (let step = 0, scale = 1; step < MOST_NOISE_STEPS; step++, scale *= NOISE_STEP) {
    const found = specs(scale);
    if (epsilonsOf([totalEvent(plan, found)], delta).enforced <= epsilon) return found;
  }
  throw new CoordinatorError(
    "BAD_PLAN",
    `privacy.mechanism: expected noise that costs about as much as Gaussian noise, ${privacy.mechanism} ` +
      "costs more here; raise privacy.bits",
  );
}

function totalEvent(plan: PopulationPlan, { train, evaluate, ask }: RoundSpecs): DpEvent {
  const { rounds, evaluation } = plan;
  const events: DpEvent[] = [];
  // A run's event is that of all its rounds.
  const count = train?.mechanism?.at === "run" ? 1 : rounds;
  if (train !== undefined) events.push({ type: "SelfComposed", count, event: train.event });
  if (evaluation !== null && evaluate !== undefined) {
    events.push({ type: "SelfComposed", count: evaluation.count, event: evaluate.event });
  }
  queriesOf(plan).forEach(({ times, steps }, at) => {
    const event = ask[at]?.event;
    if (event !== undefined) events.push({ type: "SelfComposed", count: times * steps, event });
  });
  return { type: "Composed", events };
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

function trainSpec(plan: PopulationPlan, updateLength: number, noiseMultiplier: number): RoundSpec {
  const { privacy, trainer } = plan;
  const { bits } = privacy;
  const { mechanism, run, adaptiveClipping, examples } = noiseOnSum(privacy);
  const adaptive =
    adaptiveClipping === null ? null : adaptiveClip(plan, adaptiveClipping, privacy.clipNorm ?? 1, noiseMultiplier);
  const clipNorm = adaptive === null ? (privacy.clipNorm ?? LOOSEST_CLIP_NORM) : wholeNorm(adaptive);
  const length = adaptive === null ? updateLength : updateLength + 1;
  const encoding = encodingOf(plan, { mechanism, run, changes: 1, length, clipNorm, noiseMultiplier, bits });
  const staleness = stalenessOf(plan);
  const tuning = tuningOf(plan, {});
  const shared = {
    kind: "train" as const,
    ...sharedSpec(plan, encoding, clipNorm),
    ...{ trainer, tuning, adaptive, staleness },
  };
  if (examples === null) return shared;
  const { event } = exampleLevelMechanism({ ...examples, noiseMultiplier, updateLength });
  return { ...shared, event, examples: { ...examples, noiseMultiplier } };
}

function stalenessOf(plan: PopulationPlan): RoundSpec["staleness"] {
  const strategy = strategyFor(plan.strategy);
  return strategy.family === "sum" ? (strategy.staleness ?? null) : null;
}

type SumPrivacy = Pick<EncodingChoice, "mechanism" | "run"> &
  Pick<Exclude<PlanPrivacy, { readonly mechanism: "none" }>, "adaptiveClipping" | "examples">;

/** What a training round adds to its sum; with example-level training nothing, since the noise is in the updates. */
function noiseOnSum(privacy: PlanPrivacy): SumPrivacy {
  if (privacy.mechanism === "none") return { mechanism: "none", run: null, adaptiveClipping: null, examples: null };
  const { mechanism, run, adaptiveClipping, examples } = privacy;
  return { mechanism: mechanism === "dp-sgd" ? "none" : mechanism, run, adaptiveClipping, examples };
}

/** Part of the cohort that the noise on the count of unclipped updates is as large as, where a plan names none. */
const COUNT_NOISE_SHARE = 20;

/** @throws CoordinatorError BAD_PLAN when the count alone would cost all that the noise allows */
function adaptiveClip(
  { cohort }: PopulationPlan,
  { targetQuantile, learningRate, countNoiseStdDev }: PlanAdaptiveClipping,
  clipNorm: number,
  noiseMultiplier: number,
): AdaptiveClip {
  const deviation = countNoiseStdDev ?? Math.max(cohort.target / COUNT_NOISE_SHARE, noiseMultiplier);
  const share = reportShare(noiseMultiplier, deviation);
  if (Number.isFinite(share) && share > 0) return { clipNorm, reportShare: share, targetQuantile, learningRate };
  throw new CoordinatorError(
    "BAD_PLAN",
    `privacy.adaptiveClipping.countNoiseStdDev: expected more than half the noise multiplier, ${noiseMultiplier / 2}, came ${deviation}`,
  );
}

function evaluationSpec(plan: PopulationPlan, evaluation: PlanEvaluation, noiseMultiplier: number): RoundSpec {
  const { length, clipNorm } = evaluation;
  const { enabled } = plan.secureAggregation;
  // Under masks an evaluation is clipped without noise, too.
  const bound = plan.privacy.mechanism === "none" && !enabled ? (plan.privacy.clipNorm ?? LOOSEST_CLIP_NORM) : clipNorm;
  const bits = enabled ? SECURE_EVALUATION_BITS : EVALUATION_BITS;
  const { mechanism: trained, unit } = plan.privacy;
  // Runs and noise within training are of training alone.
  const mechanism = trained === "dp-ftrl" || trained === "dp-sgd" ? "central-discrete-gaussian" : trained;
  const changes = unit === "example" ? 2 : 1;
  const choice: EncodingChoice = { mechanism, run: null, changes, length, clipNorm: bound, noiseMultiplier, bits };
  return {
    kind: "evaluate",
    ...sharedSpec(plan, encodingOf(plan, choice), bound),
    trainer: { id: plan.trainer.id, settings: { ...plan.trainer.settings, ...evaluation.settings } },
    tuning: tuningOf(plan, evaluation.settings),
  };
}

/** A query is asked like an evaluation: short vectors, with a grain as fine as their bits allow. */
function querySpec(plan: PopulationPlan, query: PlanQuery, noiseMultiplier: number): RoundSpec {
  const { length, clipNorm } = queryShape(query);
  const { mechanism } = plan.privacy;
  if (mechanism === "dp-ftrl" || mechanism === "dp-sgd") {
    throw new CoordinatorError(
      "BAD_PLAN",
      `privacy.mechanism: expected noise on sums with analytics, came ${mechanism}`,
    );
  }
  const bits = plan.secureAggregation.enabled ? SECURE_EVALUATION_BITS : EVALUATION_BITS;
  const choice: EncodingChoice = { mechanism, run: null, changes: 1, length, clipNorm, noiseMultiplier, bits };
  return { kind: "evaluate", ...sharedSpec(plan, encodingOf(plan, choice), clipNorm), trainer: plan.trainer };
}

function sharedSpec(plan: PopulationPlan, encoding: RoundEncoding, clipNorm: number) {
  return {
    ...encoding,
    purpose: plan.purpose,
    clipNorm,
    event: encoding.mechanism?.event ?? ({ type: "NonPrivate" } satisfies DpEvent),
    unit: plan.privacy.unit,
    adaptive: null,
    staleness: null,
    examples: null,
    query: null,
    tuning: [],
    noPrivacyReason: plan.privacy.mechanism === "none" ? plan.privacy.reason : null,
    divisor: plan.cohort.target,
    cohort: plan.cohort,
    deadlines: plan.deadlines,
  };
}
