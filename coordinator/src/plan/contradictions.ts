/** What the keys of a plan say about each other. */
import { nearest } from "../config/fields.js";
import { inAnalytics } from "./analytics.js";
import { inPaired } from "./paired-strategies.js";
import type { WrittenPlan } from "./schema.js";
import { DEFAULT_DROPOUT_FRACTION, DEFAULT_GROUP_TARGET, SMALLEST_COHORT } from "./secure-groups.js";
import { selectionGoal } from "./selection-goal.js";
import { KNOWN_STRATEGIES, MOST_UPDATE_BYTES, strategyFamily } from "./support.js";
import { inWatch } from "./watch.js";

/** One thing that cannot be, where it stands; the message goes on after "expected". */
export interface Contradiction {
  readonly path: readonly string[];
  readonly message: string;
}

function at(path: string, message: string): Contradiction {
  return { path: path.split("."), message };
}

function* inPrivacy({ privacy, policy }: WrittenPlan): Generator<Contradiction> {
  const { mechanism, reason, noiseMultiplier, epsilon, delta } = privacy;
  const hasNoise = noiseMultiplier !== undefined;
  const hasTarget = epsilon !== undefined || delta !== undefined;
  if (mechanism === "none") {
    if (reason === undefined) {
      yield at("privacy.mechanism", "a reason beside mechanism none, which the ledger will record; came none");
    }
    if (hasNoise || hasTarget) {
      yield at("privacy", "no noiseMultiplier, epsilon or delta with mechanism none, came one of them; leave it out");
    }
    if (policy !== undefined) yield at("policy", "no cap with mechanism none, which bounds nothing; came one");
    return;
  }
  if (reason !== undefined) yield at("privacy.reason", "a reason only with mechanism none, came one; leave it out");
  if (hasNoise && hasTarget) {
    yield at("privacy", "either noiseMultiplier, or epsilon and delta, came both; keep one");
  } else if (hasTarget && (epsilon === undefined || delta === undefined)) {
    yield at("privacy", `epsilon and delta together, came only ${epsilon === undefined ? "delta" : "epsilon"}`);
  }
  if (policy === undefined) return;
  if (epsilon !== undefined && epsilon > policy.epsilon) {
    yield at("privacy.epsilon", `at most the cap of the policy, ${policy.epsilon}, came ${epsilon}`);
  }
  if (delta !== undefined && delta !== policy.delta) {
    yield at("privacy.delta", `the delta of the policy, ${policy.delta}, came ${delta}; one population has one delta`);
  }
}

function* inMechanism({ privacy, strategy, rounds }: WrittenPlan): Generator<Contradiction> {
  const { mechanism, unit, adaptiveClipping, factorisation, examples } = privacy;
  if ((unit === "example") !== (mechanism === "dp-sgd") && unit !== undefined) {
    yield at(
      "privacy.unit",
      `unit example with mechanism dp-sgd, and participant with any other; came ${unit} with ${mechanism}`,
    );
  }
  if ((mechanism === "dp-sgd") !== (examples !== undefined)) {
    yield at("privacy.examples", `it with mechanism dp-sgd, and only there; came mechanism ${mechanism}`);
  }
  if ((mechanism === "dp-ftrl") !== (factorisation !== undefined)) {
    yield at("privacy.factorisation", `it with mechanism dp-ftrl, and only there; came mechanism ${mechanism}`);
  }
  if (adaptiveClipping !== undefined && ["dp-ftrl", "dp-sgd", "none"].includes(mechanism)) {
    yield at("privacy.adaptiveClipping", `a mechanism whose noise is drawn anew in each round, came ${mechanism}`);
  }
  if (mechanism === "dp-sgd" && strategy.id !== "fedavg") {
    yield at("strategy.id", `fedavg with dp-sgd, whose updates are changes of the parameters, came ${strategy.id}`);
  }
  if (factorisation === undefined) return;
  const { type, minSeparation, bands, coefficients, buffers, bufferDecay, outputScale } = factorisation;
  if (minSeparation > rounds) {
    yield at("privacy.factorisation.minSeparation", `at most the number of rounds, ${rounds}, came ${minSeparation}`);
  }
  if (type === "banded" && [buffers, bufferDecay, outputScale].some((value) => value !== undefined)) {
    yield at("privacy.factorisation", "bands or coefficients with type banded; buffers go with type blt");
  }
  if (type === "blt" && [bands, coefficients].some((value) => value !== undefined)) {
    yield at(
      "privacy.factorisation",
      "buffers, or bufferDecay and outputScale, with type blt; bands go with type banded",
    );
  }
  if (bufferDecay?.length !== outputScale?.length || (buffers !== undefined && bufferDecay !== undefined)) {
    yield at("privacy.factorisation", "either buffers, or as many of bufferDecay as of outputScale");
  }
  if (bands !== undefined && coefficients !== undefined) {
    yield at("privacy.factorisation", "either bands or coefficients, came both");
  }
  if (coefficients !== undefined && coefficients[0] !== 1) {
    yield at("privacy.factorisation.coefficients", `1 as the first of them, came ${coefficients[0]}`);
  }
  if (bufferDecay?.some((decay) => decay >= 1) === true) {
    yield at("privacy.factorisation.bufferDecay", "numbers below 1, came one of 1");
  }
}

function* inSecureAggregation({
  secureAggregation,
  privacy,
  cohort,
  analytics,
}: WrittenPlan): Generator<Contradiction> {
  const { enabled, reason, ...protocol } = secureAggregation;
  if (!enabled && reason === undefined) {
    yield at("secureAggregation.enabled", "a reason beside enabled: false, which the ledger will record; came none");
  }
  if (enabled && reason !== undefined) {
    yield at("secureAggregation.reason", "a reason only with enabled: false, came one; leave it out");
  }
  if (!enabled && privacy.mechanism.startsWith("distributed-")) {
    yield at(
      "privacy.mechanism",
      `secure aggregation with ${privacy.mechanism}, whose noise on one device hides nothing alone; came enabled: false`,
    );
  }
  const [named] = Object.entries(protocol).find(([, value]) => value !== undefined) ?? [];
  if (!enabled && named !== undefined) {
    yield at(`secureAggregation.${named}`, "it only with enabled: true, came one beside enabled: false; leave it out");
  }
  if (enabled && privacy.mechanism === "none" && privacy.clipNorm === undefined && analytics === undefined) {
    yield at(
      "privacy.clipNorm",
      "a clip norm with secure aggregation, which adds integers of a bounded range, came none",
    );
  }
  if (enabled && (cohort.minimum ?? cohort.target) < SMALLEST_COHORT) {
    yield at(
      "cohort.minimum",
      `at least ${SMALLEST_COHORT} with secure aggregation, since a sum over fewer hides nobody, came ${cohort.minimum ?? cohort.target}`,
    );
  }
}

function* inStrategy(plan: WrittenPlan): Generator<Contradiction> {
  const { id } = plan.strategy;
  const family = strategyFamily(id);
  if (family === undefined) {
    const guess = nearest(id, KNOWN_STRATEGIES);
    yield at(
      "strategy.id",
      `one of ${KNOWN_STRATEGIES.join(", ")}, came ${id}${guess === undefined ? "" : `; did you mean ${guess}?`}`,
    );
  } else if (id === "fedbuff") yield* inBuffer(plan);
  else if (family === "per-update") yield* inPerUpdate(plan);
  else if (family === "group-sum") yield* inGroupSum(plan);
  else yield* inPaired(plan);
}

/** A buffer closes while others still train: where there are several groups, each has to bear that some of its members are late. */
function* inBuffer({ secureAggregation, cohort, privacy }: WrittenPlan): Generator<Contradiction> {
  if (privacy.mechanism === "dp-sgd") return;
  const lost = 1 - 1 / cohort.overSelection;
  const tolerated = secureAggregation.dropoutFraction ?? DEFAULT_DROPOUT_FRACTION;
  const largest = selectionGoal(cohort);
  const isOneGroup = largest < 1.5 * (secureAggregation.groupTarget ?? DEFAULT_GROUP_TARGET);
  if (!secureAggregation.enabled || isOneGroup || tolerated >= lost - 1e-9) return;
  yield at(
    "secureAggregation.dropoutFraction",
    `at least ${lost.toFixed(3)} with fedbuff in several groups, which closes a round when the target of ${cohort.overSelection} times as many is in, came ${tolerated}; raise it, lower cohort.overSelection, or raise groupTarget to have one group`,
  );
}

/** A rule that looks at each update: nobody may have hidden them, no noise fits it, and all of them must fit in memory. */
function* inPerUpdate({ strategy: { id }, secureAggregation, privacy, cohort, model }: WrittenPlan) {
  if (secureAggregation.enabled) {
    yield at(
      "strategy.id",
      `a strategy that needs only the sum of the updates, came ${id}, which looks at each update, and secure aggregation hides them from the coordinator; choose fedavg or group-median, or switch secure aggregation off with a reason`,
    );
  } else if (privacy.mechanism !== "none") {
    yield at(
      "strategy.id",
      `a strategy that needs only the sum of the updates, came ${id}, whose result has no sensitivity to calibrate noise to; choose fedavg, or mechanism none with a reason`,
    );
  }
  const updates = selectionGoal(cohort);
  const bytes = 4 * parametersOf(model) * updates;
  if (bytes > MOST_UPDATE_BYTES) {
    yield at(
      "strategy.id",
      `a cohort whose updates fit into ${MOST_UPDATE_BYTES >> 20} MiB, which ${id} holds all at once, came ${updates} of ${Math.ceil((4 * parametersOf(model)) / 2 ** 20)} MiB; lower cohort.target or cohort.overSelection`,
    );
  }
}

function parametersOf({ parameters, tensors }: WrittenPlan["model"]): number {
  return parameters ?? Object.values(tensors ?? {}).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** A rule over the groups' sums: each of them is released with noise of its own, and there have to be some. */
function* inGroupSum({ strategy: { id }, secureAggregation, privacy, cohort }: WrittenPlan): Generator<Contradiction> {
  if (!secureAggregation.enabled) {
    yield at("secureAggregation.enabled", `secure aggregation with ${id}, which compares the sums of its groups`);
    return;
  }
  if (privacy.mechanism === "dp-ftrl") {
    yield at(
      "strategy.id",
      `a strategy that needs only the sum of all updates with dp-ftrl, whose noise is calibrated for that sum and not for each group's, came ${id}; choose fedavg, or a mechanism whose noise is drawn anew in each round`,
    );
  }
  if (privacy.adaptiveClipping !== undefined) {
    yield at("privacy.adaptiveClipping", `a fixed clip with ${id}, whose groups' reports of it are not added up`);
  }
  const groups = Math.floor(
    (cohort.minimum ?? cohort.target) / (secureAggregation.groupTarget ?? DEFAULT_GROUP_TARGET),
  );
  if (groups < LEAST_GROUPS) {
    yield at(
      "secureAggregation.groupTarget",
      `at least ${LEAST_GROUPS} groups in the smallest cohort with ${id}, came ${groups}; lower it, or raise cohort.minimum`,
    );
  }
}

/** With fewer, a median over groups is one of them or their mean. */
const LEAST_GROUPS = 3;

/** Everything in a plan that contradicts something else in it, or that this version cannot run. */
export function contradictions(plan: WrittenPlan): readonly Contradiction[] {
  const { cohort, evaluation, rounds } = plan;
  const found = [
    ...inPrivacy(plan),
    ...inMechanism(plan),
    ...inSecureAggregation(plan),
    ...inStrategy(plan),
    ...inAnalytics(plan),
    ...inWatch(plan),
  ];
  if (cohort.minimum !== undefined && cohort.minimum > cohort.target) {
    found.push(at("cohort.minimum", `at most the target, ${cohort.target}, came ${cohort.minimum}`));
  }
  if (evaluation?.every !== undefined && evaluation.every > rounds) {
    found.push(at("evaluation.every", `at most the number of rounds, ${rounds}, came ${evaluation.every}`));
  }
  const length = evaluation?.metric === "auc" ? (evaluation.length ?? 4) : 4;
  if (length < 4 || length % 2 !== 0) {
    found.push(
      at("evaluation.length", `an even number from 4, for the bins of true and of false rows, came ${length}`),
    );
  }
  if (evaluation?.metric === "ranking" && (evaluation.length ?? 3) !== 3) {
    found.push(at("evaluation.length", `3 with metric ranking: hits, gains, participants; came ${evaluation.length}`));
  }
  return found;
}
