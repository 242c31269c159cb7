import { createHash } from "node:crypto";
import { canonicalBytes } from "@fedloop/consent";
import { CorrelatedNoise, type CorrelatedNoiseState } from "@fedloop/privacy";
import { releasedVariance } from "../../analytics/release.js";
import { CoordinatorError } from "../../errors.js";
import { initialParameters } from "../../models/initial-model.js";
import { encodeSafetensors } from "../../models/safetensors.js";
import type { PopulationPlan } from "../../plan/population-plan.js";
import { selectionGoal } from "../../plan/selection-goal.js";
import type { WrittenSimulation } from "../../plan/simulation-schema.js";
import { clipNormAfter, withClipNorm } from "../../rounds/adaptive-clip.js";
import { type Collected, UpdateCollection, UpdateSum } from "../../rounds/aggregator.js";
import { PopulationBudget } from "../../rounds/budget.js";
import { buildSchedule } from "../../rounds/build-schedule.js";
import { mayTakePart } from "../../rounds/eligibility.js";
import { claimedEpsilon } from "../../rounds/epsilons.js";
import type { RoundRules } from "../../rounds/machine.js";
import { releaseCollected } from "../../rounds/noise.js";
import { nextPosition, type RunPosition, runName, type StoredRun } from "../../rounds/noise-run.js";
import { ParticipantBudgets } from "../../rounds/participant-budgets.js";
import { planBody } from "../../rounds/plan-body.js";
import { DEFAULT_ROUND_RETRIES } from "../../rounds/retries.js";
import { costOf, type RoundSpec } from "../../rounds/round-spec.js";
import { scaleOf } from "../../rounds/round-work.js";
import type { Schedule } from "../../rounds/schedule.js";
import type { AbandonReason } from "../../rounds/states.js";
import { SeededRandom } from "../seeded-random.js";
import { type Course, courseOf, type Journey } from "./course.js";
import type { DeviceThreads } from "./device-threads.js";
import { groupRules } from "./group-rules.js";
import { collectSecurely } from "./group-sums.js";
import { type Masks, masksOf } from "./masks.js";
import type { RoundTask, StaleModel } from "./messages.js";
import { vanishingStep } from "./vanishing.js";

/** What one round came to. Counts are devices. */
export interface RoundReport {
  readonly round: number;
  readonly kind: "train" | "evaluate";
  /** Why it was given up; null where it was not. */
  readonly abandoned: AbandonReason | null;
  readonly selected: number;
  /** Whose updates are in the result. */
  readonly submitted: number;
  readonly poisoned: number;
  readonly late: number;
  readonly vanished: number;
  /** Updates that were not finite, or that the coordinator refused. */
  readonly refused: number;
  /** Devices of groups that the protocol could not unmask, which the round goes on without. */
  readonly lost: number;
  /** The population's ε so far, as the ledger would claim it; null without differential privacy. */
  readonly epsilon: number | null;
  /** L2 norm that updates were clipped to. */
  readonly clipNorm: number;
  /** Of an evaluation round: what devices reported. */
  readonly metrics: Readonly<Record<string, number>> | null;
  /** On the test examples, after a training round. */
  readonly accuracy: number | null;
  readonly loss: number | null;
  /** Virtual time when it ended, milliseconds from the start. */
  readonly endMs: number;
}

export interface VirtualFederationOptions {
  readonly plan: PopulationPlan;
  readonly simulation: WrittenSimulation;
  readonly threads: DeviceThreads;
  /** By device, 1 for those that are poisoned. */
  readonly poisoned: Uint8Array;
  readonly testExamples: number;
}

const BETWEEN_ROUNDS_MS = 1_000;
/** How much training times of one device vary: the deviation of their logarithm. */
const TIME_SPREAD = 0.3;

/**
 * A federation without network, log and consent, in virtual time. Rounds go through the machine, and plans, clips, rounding, noise,
 * budgets and strategies through the code that a coordinator and its devices run; all that is drawn follows from a seed.
 */
export class VirtualFederation {
  readonly schedule: Schedule;
  /** Null without secure aggregation. */
  readonly masks: Masks | null;
  parameters: Float32Array;
  readonly #options: VirtualFederationOptions;
  readonly #budget: PopulationBudget;
  readonly #participants = new ParticipantBudgets();
  readonly #busyUntilMs = new Map<number, number>();
  /** By device, the model that it has trained on for a round that closed without it. */
  readonly #pending = new Map<number, string>();
  /** Released models, newest first: the present one, and those whose updates are still taken. */
  #history: readonly StaleModel[] = [];
  #strategyState = new Float32Array(0);
  #clipNorm: number | undefined;
  #run: StoredRun | undefined;
  #noise: CorrelatedNoiseState | undefined;
  #trained = 0;
  #nowMs = 0;

  /** @throws CoordinatorError BAD_PLAN */
  constructor(options: VirtualFederationOptions) {
    this.#options = options;
    this.schedule = buildSchedule(options.plan, 1);
    this.#budget = new PopulationBudget(this.schedule.cap, []);
    this.parameters = initialParameters(options.plan);
    this.masks = masksOf(options.simulation, this.schedule.rounds);
  }

  /** The model as a file. */
  model(): Uint8Array {
    const { plan } = this.#options;
    const metadata = { population: plan.population, round: String(this.#trained) };
    return encodeSafetensors({ tensors: plan.model.tensors, parameters: this.parameters, metadata });
  }

  /**
   * Runs the rounds of the schedule, one after the other, until they are done, the budget ends them, or too many in a row were
   * abandoned.
   *
   * @throws CoordinatorError ROUND_FAILED, CANCELLED
   */
  async *rounds(): AsyncGenerator<RoundReport> {
    let number = 0;
    let abandoned = 0;
    for (let done = 0; done < this.schedule.rounds.length && abandoned < DEFAULT_ROUND_RETRIES.pauseAfter; ) {
      const planned = this.schedule.rounds[done];
      if (planned === undefined) return;
      const report = await this.#round(planned, ++number);
      abandoned = report.abandoned === null ? 0 : abandoned + 1;
      if (report.abandoned === null) done += 1;
      yield report;
      if (report.abandoned === "BUDGET_EXCEEDED") return;
    }
  }

  async #round(planned: RoundSpec, round: number): Promise<RoundReport> {
    const spec =
      this.#clipNorm === undefined || planned.adaptive === null ? planned : withClipNorm(planned, this.#clipNorm);
    const position = nextPosition(spec, this.#run);
    const reserved = this.#reserve(spec, position);
    if (reserved === undefined) return this.#unplanned(spec, round);
    const task = this.#planned(spec, round, position, reserved);
    const leafHash = Buffer.from(task.leafHash, "base64url");
    const name = runName(position, leafHash);
    const course = this.#course(spec, round, name, position);
    for (const device of course.late) this.#isLate(device, round, spec);
    this.#nowMs = course.endMs + BETWEEN_ROUNDS_MS;
    if (course.abandoned !== null) {
      this.#budget.release();
      return this.#report(spec, round, course);
    }
    const { collected, refused, groups } = await this.#collect(spec, task, course);
    const lost = sizeOf(course.groups) - sizeOf(groups);
    if (groups.length < course.groups.length && sizeOf(groups) < spec.cohort.minimum) {
      this.#budget.release();
      return { ...this.#report(spec, round, { ...course, groups, abandoned: "UNMASK_FAILED" }), refused, lost };
    }
    const released = await this.#release(spec, collected, round, position, leafHash);
    this.#budget.reserve(costOf(spec, name));
    this.#budget.debit();
    this.#participants.debit(costOf(spec, name), groups.flat().map(subjectOf), position?.step);
    const result = await this.#apply(spec, task, released, sizeOf(groups));
    return { ...this.#report(spec, round, { ...course, groups }), refused, lost, ...result };
  }

  /** The population's ε after the round; undefined where the budget does not allow it. */
  #reserve(spec: RoundSpec, position: RunPosition | null): number | undefined {
    const cost = costOf(spec, runName(position, undefined));
    return this.#budget.allows(cost) ? this.#budget.reserve(cost) : undefined;
  }

  #planned(spec: RoundSpec, round: number, position: RunPosition | null, epsilonAfter: number): RoundTask {
    const { plan, simulation } = this.#options;
    const model = this.model();
    const sha256 = createHash("sha256").update(model).digest();
    const present = { sha256: sha256.toString("base64url"), parameters: this.parameters };
    const older = this.#history.filter(({ sha256: other }) => other !== present.sha256);
    this.#history = [present, ...older.slice(0, spec.staleness?.maximum ?? 0)];
    const body = planBody({
      schedule: this.schedule,
      spec,
      round,
      // There is no log: nobody's consent is named.
      eligible: { treeSize: 1, root: NO_HASH, count: simulation.devices },
      model: { sha256, bytes: model.length },
      staleModels: this.#history.slice(1).map((stale) => Buffer.from(stale.sha256, "base64url")),
      epsilonAfter: claimedEpsilon(epsilonAfter),
      position,
    });
    const leafHash = createHash("sha256").update(canonicalBytes(body)).digest("base64url");
    return { body, leafHash, manifest: plan.model.tensors, parameters: this.parameters, stale: new Map() };
  }

  #course(spec: RoundSpec, round: number, run: string | undefined, position: RunPosition | null): Course {
    const { simulation } = this.#options;
    const { cohort, deadlines, secureAggregation } = spec;
    const rules: RoundRules = {
      secureAggregation: secureAggregation.enabled,
      selectionGoal: selectionGoal(cohort),
      minimum: cohort.minimum,
      bufferSize: spec.staleness === null ? undefined : cohort.target,
      ...deadlines,
    };
    const random = new SeededRandom(simulation.seed, ["cohort", round]);
    const question = {
      budgets: this.#participants,
      schedule: this.schedule,
      cost: costOf(spec, run),
      run: position === null ? undefined : { name: run, step: position.step },
    };
    const { participantCap, cap } = this.schedule;
    // The population's own budget is at least each participant's: with no lower limit there is nothing to ask.
    const isLimited = participantCap.epsilon < cap.epsilon || participantCap.rounds < Infinity || position !== null;
    const arriving: Journey[] = [];
    for (const device of random.permutation(simulation.devices)) {
      if ((this.#busyUntilMs.get(device) ?? 0) > this.#nowMs) continue;
      if (isLimited && !mayTakePart(question, subjectOf(device), NO_LIMITS)) continue;
      const journey = this.#journey(device, round, secureAggregation.enabled);
      arriving.push(this.#staleOf(device) === undefined ? journey : { ...journey, trainingMs: 0 });
      if (arriving.length === rules.selectionGoal) break;
    }
    return courseOf(rules, arriving, groupRules(spec), this.#nowMs, random);
  }

  #journey(device: number, round: number, isSecure: boolean): Journey {
    const { simulation } = this.#options;
    const random = new SeededRandom(simulation.seed, ["journey", device, round]);
    const isStraggler =
      new SeededRandom(simulation.seed, ["straggler", device]).uniform() < simulation.stragglers.fraction;
    const slowdown = isStraggler ? simulation.stragglers.slowdown : 1;
    const trainingMs = simulation.trainingTime * slowdown * Math.exp(TIME_SPREAD * random.normal());
    const vanishesAt = random.uniform() < simulation.dropout ? vanishingStep(isSecure, random.uniform()) : null;
    return { device, trainingMs, vanishesAt };
  }

  /** A device that was late goes on training until it is done, and has no time for other rounds meanwhile. */
  #isLate(device: number, round: number, spec: RoundSpec): void {
    this.#busyUntilMs.set(device, this.#nowMs + this.#journey(device, round, false).trainingMs);
    const [present] = this.#history;
    if (spec.staleness === null || spec.kind !== "train" || present === undefined) return;
    // One that was late once more has what it trained for the round before.
    if (this.#staleOf(device) === undefined) this.#pending.set(device, present.sha256);
  }

  /** The model that a device has an update of which is still taken; what is older is dropped. */
  #staleOf(device: number): StaleModel | undefined {
    const model = this.#pending.get(device);
    const found = this.#history.find(({ sha256 }) => sha256 === model);
    if (model !== undefined && found === undefined) this.#pending.delete(device);
    return found;
  }

  async #collect(
    spec: RoundSpec,
    task: RoundTask,
    course: Course,
  ): Promise<{
    readonly collected: Collected;
    readonly refused: number;
    /** The groups whose updates are in it. */
    readonly groups: Course["groups"];
  }> {
    const { threads } = this.#options;
    const devices = course.groups.flat();
    const stale = new Map(
      devices.flatMap((device) => {
        const model = spec.kind === "train" ? this.#staleOf(device) : undefined;
        return model === undefined ? [] : [[device, model] as const];
      }),
    );
    for (const device of stale.keys()) this.#pending.delete(device);
    const staleTask = { ...task, stale };
    if (spec.secureAggregation.enabled) {
      const given = { task: staleTask, course, format: spec.format, masks: this.masks };
      const { sums, refused } = await collectSecurely(threads, given);
      const isApart = this.schedule.strategy.family === "group-sum" && spec.kind === "train";
      const groups = course.groups.filter((_, group) => sums.has(group));
      return { collected: isApart ? { groups: sums.groups() } : { values: sums.total() }, refused, groups };
    }
    let refused = 0;
    const keepsAll = this.schedule.strategy.family === "per-update" && spec.kind === "train";
    const sum = keepsAll ? new UpdateCollection(spec.format) : new UpdateSum(spec.format);
    await threads.train(staleTask, devices, (_, update) => {
      try {
        if (update instanceof Uint8Array) sum.add(update);
        else refused += 1;
      } catch (cause) {
        if (!(cause instanceof CoordinatorError)) throw cause;
        refused += 1;
      }
    });
    return { collected: sum, refused, groups: course.groups };
  }

  async #release(
    spec: RoundSpec,
    collected: Collected,
    round: number,
    position: RunPosition | null,
    leafHash: Uint8Array,
  ): Promise<Float32Array> {
    const random = new SeededRandom(this.#options.simulation.seed, ["noise", round]);
    const { mechanism } = spec;
    const run =
      mechanism?.at === "run" && position !== null
        ? new CorrelatedNoise(mechanism, random, position.first === null ? undefined : this.#noise)
        : null;
    const { strategy } = this.schedule;
    const released = await releaseCollected(collected, { strategy, spec, random, run, rotationSeed: leafHash });
    if (run !== null && position !== null) {
      const first = position.first ?? leafHash;
      this.#run = { first, event: JSON.stringify(spec.event), step: position.step, sealed: new Uint8Array(0) };
      this.#noise = run.state();
    }
    return released;
  }

  /** The model's next step and its score, or an evaluation's metrics. */
  async #apply(
    spec: RoundSpec,
    { body }: RoundTask,
    released: Float32Array,
    members: number,
  ): Promise<Partial<RoundReport>> {
    const { strategy, rounds, metrics } = this.schedule;
    if (spec.kind === "evaluate") {
      return { metrics: metrics(released, spec.trainer.settings, releasedVariance(body, members)) };
    }
    const step = strategy.apply({
      parameters: this.parameters,
      // Behind the updates there is what devices report of their clip.
      sum: spec.adaptive === null ? released : released.subarray(0, released.length - 1),
      ...scaleOf(spec, strategy),
      step: this.#trained + 1,
      steps: rounds.filter(({ kind }) => kind === "train").length,
      state: this.#strategyState,
    });
    this.parameters = step.parameters;
    this.#strategyState = Float32Array.from(step.state);
    this.#trained += 1;
    if (spec.adaptive !== null) this.#clipNorm = clipNormAfter(body, released.at(-1) ?? 0);
    return this.#score();
  }

  async #score(): Promise<{ readonly accuracy: number; readonly loss: number }> {
    const { plan, threads, testExamples } = this.#options;
    const isDouble = plan.strategy.id === "scaffold";
    const half = <Whole extends { readonly length: number; slice(from: number, to: number): Whole }>(
      whole: Whole,
    ): Whole => (isDouble ? whole.slice(0, whole.length / 2) : whole);
    return threads.score({ manifest: half([...plan.model.tensors]), parameters: half(this.parameters) }, testExamples);
  }

  #unplanned(spec: RoundSpec, round: number): RoundReport {
    const none = { groups: [], answered: [], selected: [], late: [], vanished: [], endMs: this.#nowMs };
    return this.#report(spec, round, { abandoned: "BUDGET_EXCEEDED", ...none });
  }

  #report(spec: RoundSpec, round: number, course: Course): RoundReport {
    const { plan, poisoned } = this.#options;
    const submitted = course.groups.flat();
    return {
      round,
      kind: spec.kind,
      abandoned: course.abandoned,
      selected: course.selected.length,
      submitted: submitted.length,
      poisoned: submitted.filter((device) => poisoned[device] === 1).length,
      late: course.late.length,
      vanished: course.vanished.length,
      refused: 0,
      lost: 0,
      epsilon: plan.cap === null ? null : Number(claimedEpsilon(this.#budget.spent)),
      clipNorm: spec.adaptive?.clipNorm ?? spec.clipNorm,
      metrics: null,
      accuracy: null,
      loss: null,
      endMs: course.endMs,
    };
  }
}

const NO_HASH = Buffer.alloc(32).toString("base64url");

const NO_LIMITS = { rounds: null, epsilon: null, delta: null };

function subjectOf(device: number): string {
  return String(device);
}

function sizeOf(groups: readonly (readonly number[])[]): number {
  return groups.reduce((sum, { length }) => sum + length, 0);
}
