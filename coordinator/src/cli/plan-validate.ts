import { PrivacyError } from "@fedloop/privacy";
import { loadConfig } from "../config/config.js";
import { CoordinatorError } from "../errors.js";
import { loadPlan } from "../plan/load.js";
import type { PopulationPlan } from "../plan/population-plan.js";
import { eventsOf } from "../rounds/budget.js";
import { buildSchedule } from "../rounds/build-schedule.js";
import { claimedEpsilon, type Epsilons, epsilonsOf } from "../rounds/epsilons.js";
import { releasedNoiseStdDev } from "../rounds/noise.js";
import { queriesOf } from "../rounds/query-rounds.js";
import { costOf } from "../rounds/round-spec.js";
import type { Schedule } from "../rounds/schedule.js";
import type { Surroundings } from "./surroundings.js";

export interface PlanValidateOptions {
  /** Plan files; none stands for those of the configuration. */
  readonly files: readonly string[];
  readonly config: string;
  readonly json: boolean;
}

type Noised = Exclude<PopulationPlan["privacy"], { readonly mechanism: "none" }>;

/** What a plan will do and cost, worked out as the coordinator would. */
interface PlanReport {
  readonly population: string;
  readonly rounds: { readonly train: number; readonly evaluate: number };
  readonly cohort: PopulationPlan["cohort"];
  /** What the plan asks, where it trains nothing: standard deviation of the noise on a sum of contributions. */
  readonly queries: readonly {
    readonly name: string;
    readonly kind: string;
    readonly rounds: number;
    readonly noiseStdDev: number;
  }[];
  readonly parameters: number;
  /** Of one update on the wire. */
  readonly updateBytes: number;
  readonly privacy: {
    readonly mechanism: string;
    readonly reason: string | null;
    readonly unit: PopulationPlan["privacy"]["unit"];
    /** Of all rounds together; null where nothing is bounded. */
    readonly epsilon: number | null;
    /** The same by each accountant; the larger is what counts. */
    readonly by: Pick<Epsilons, "rdp" | "pld"> | null;
    readonly cap: number | null;
    readonly delta: number | null;
    readonly accountant: "rdp";
    readonly clipNorm: number | null;
    readonly noiseMultiplier: number | null;
    /** What the mechanism needs beside that; null for those that it does not. */
    readonly adaptiveClipping: Noised["adaptiveClipping"] | null;
    readonly run: Noised["run"] | null;
    readonly examples: Noised["examples"] | null;
  };
  readonly secureAggregation: PopulationPlan["secureAggregation"];
}

type Checked =
  | { readonly file: string; readonly ok: true; readonly plan: PlanReport }
  | { readonly file: string; readonly ok: false; readonly error: { readonly code: string; readonly message: string } };

function reportOf(plan: PopulationPlan, { rounds, cap }: Schedule): PlanReport {
  const training = rounds.find(({ kind }) => kind === "train");
  const { length = 0, encoding, quantisation } = training?.format ?? {};
  const bits = encoding === "quantised" ? (quantisation?.bits ?? 32) : 32;
  const private_ = plan.privacy.mechanism !== "none";
  const epsilons = private_ ? epsilonsOf(eventsOf(rounds.map((spec) => costOf(spec))), cap.delta) : null;
  return {
    population: plan.population,
    rounds: {
      train: rounds.filter(({ kind }) => kind === "train").length,
      evaluate: rounds.filter(({ kind }) => kind === "evaluate").length,
    },
    cohort: plan.cohort,
    queries: queriesOf(plan).map(({ name, ask, times, steps }) => {
      const spec = rounds.find(({ query }) => query?.name === name);
      const noiseStdDev = releasedNoiseStdDev(spec?.mechanism ?? null, plan.cohort.target);
      return { name, kind: ask.kind, rounds: times * steps, noiseStdDev };
    }),
    parameters: plan.model.parameters,
    updateBytes: Math.ceil((length * bits) / 8),
    privacy: {
      mechanism: plan.privacy.mechanism,
      reason: plan.privacy.mechanism === "none" ? plan.privacy.reason : null,
      unit: plan.privacy.unit,
      epsilon: epsilons === null ? null : Number(claimedEpsilon(epsilons.enforced)),
      by: epsilons === null ? null : { rdp: epsilons.rdp, pld: epsilons.pld },
      cap: plan.cap?.epsilon ?? null,
      delta: plan.cap?.delta ?? null,
      accountant: "rdp",
      clipNorm: plan.privacy.clipNorm,
      noiseMultiplier: training?.mechanism?.noiseMultiplier ?? training?.examples?.noiseMultiplier ?? null,
      adaptiveClipping: "adaptiveClipping" in plan.privacy ? plan.privacy.adaptiveClipping : null,
      run: "run" in plan.privacy ? plan.privacy.run : null,
      examples: "examples" in plan.privacy ? plan.privacy.examples : null,
    },
    secureAggregation: plan.secureAggregation,
  };
}

function refuseOverBudget({ epsilon, cap }: PlanReport["privacy"], file: string): void {
  if (epsilon === null || cap === null || epsilon <= cap) return;
  throw new CoordinatorError(
    "BAD_PLAN",
    `${file} privacy: expected all rounds together to stay at ε ≤ ${cap}, they would spend ${epsilon}; raise noiseMultiplier, plan fewer rounds, or raise policy.epsilon`,
  );
}

/** What the accountant says about impossible noise, as an error of the plan. */
function asPlanError(cause: unknown, file: string): unknown {
  if (!(cause instanceof PrivacyError)) return cause;
  return new CoordinatorError("BAD_PLAN", `${file} privacy: ${cause.message}`, { cause });
}

async function checkPlan(file: string): Promise<Checked> {
  try {
    const { plan } = await loadPlan(file);
    const report = reportOf(plan, buildSchedule(plan, 1));
    refuseOverBudget(report.privacy, file);
    return { file, ok: true, plan: report };
  } catch (cause) {
    const error = asPlanError(cause, file);
    if (!(error instanceof CoordinatorError)) throw error;
    return { file, ok: false, error: { code: error.code, message: error.message } };
  }
}

function times(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** What a mechanism does beside adding noise. */
function detailsOf({ adaptiveClipping, run, examples }: PlanReport["privacy"]): string {
  if (adaptiveClipping !== null)
    return `; the clip follows quantile ${adaptiveClipping.targetQuantile} of the updates' norms`;
  if (run !== null) {
    const { strategy, minSeparation, maxParticipations } = run;
    return `; ${strategy.type} factorisation, ${times(maxParticipations, "part")} of a participant at most, ${times(minSeparation, "round")} apart`;
  }
  if (examples === null) return "";
  const { steps, samplingProbability, clipNorm } = examples;
  return `; ${times(steps, "step")} a round on samples of ${samplingProbability}, each example clipped to ${clipNorm}`;
}

/** A plan that asks has no model to speak of, and as many clips as queries. */
function askingText(file: string, { population, queries, cohort, privacy, secureAggregation }: PlanReport): string {
  const spent =
    privacy.epsilon === null
      ? `none: ${privacy.reason}`
      : `ε ${privacy.epsilon} of ${privacy.cap} at δ ${privacy.delta} for each ${privacy.unit} (${privacy.accountant}); ${privacy.mechanism}`;
  const lines = queries.map(
    ({ name, kind, rounds, noiseStdDev }) =>
      `  ${name.padEnd(18)}  ${kind}, ${times(rounds, "round")}; noise on each sum ±${noiseStdDev.toPrecision(3)}\n`,
  );
  return `${file}: fine
  population          ${population}
  queries             ${queries.length}
${lines.join("")}  cohort              ${cohort.target} wanted, ${cohort.minimum} needed, ${cohort.overSelection} times as many asked
  privacy             ${spent}
  secure aggregation  ${secureAggregation.enabled ? "on" : `off: ${secureAggregation.reason}`}
`;
}

function planText(file: string, plan: PlanReport): string {
  if (plan.rounds.train === 0) return askingText(file, plan);
  const { rounds, cohort, privacy, secureAggregation } = plan;
  const spent =
    privacy.epsilon === null
      ? `none: ${privacy.reason}`
      : `ε ${privacy.epsilon} of ${privacy.cap} at δ ${privacy.delta} for each ${privacy.unit} (${privacy.accountant}); ` +
        `${privacy.mechanism}, clip norm ${privacy.clipNorm}, noise multiplier ${privacy.noiseMultiplier?.toPrecision(4)}${detailsOf(privacy)}`;
  return `${file}: fine
  population          ${plan.population}
  rounds              ${times(rounds.train, "training round")}, ${times(rounds.evaluate, "evaluation")}
  cohort              ${cohort.target} wanted, ${cohort.minimum} needed, ${cohort.overSelection} times as many asked
  model               ${times(plan.parameters, "parameter")}; an update is ${plan.updateBytes} bytes
  privacy             ${spent}
  secure aggregation  ${secureAggregation.enabled ? "on" : `off: ${secureAggregation.reason}`}
`;
}

/**
 * Checks plans as the coordinator will read them, and says what they will cost.
 *
 * @returns whether all are fine; each that is not has been complained about
 */
export async function validatePlans(options: PlanValidateOptions, surroundings: Surroundings): Promise<boolean> {
  const { environment, signal, print, complain } = surroundings;
  const files = options.files.length > 0 ? options.files : (await loadConfig(options.config, environment)).plans;
  const plans: Checked[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    plans.push(await checkPlan(file));
  }
  if (options.json) print(`${JSON.stringify({ plans })}\n`);
  else {
    for (const checked of plans) {
      if (checked.ok) print(planText(checked.file, checked.plan));
      else complain(`error ${checked.error.code}: ${checked.error.message}\n`);
    }
  }
  return plans.every(({ ok }) => ok);
}
