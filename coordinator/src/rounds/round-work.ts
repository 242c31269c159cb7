import { createHash } from "node:crypto";
import { canonicalBytes, encodeEvent, formatDecimal } from "@fedloop/consent";
import { CorrelatedNoise, type RandomSource } from "@fedloop/privacy";
import { namedValues, readRelease, releasedVariance } from "../analytics/release.js";
import { CoordinatorError } from "../errors.js";
import type { Committer } from "../ledger/ledger.js";
import type { ContentStore } from "../models/content-store.js";
import { decodeSafetensors, encodeSafetensors } from "../models/safetensors.js";
import type { Store } from "../store/database.js";
import type { Strategy } from "../strategies/strategy.js";
import type { Collected } from "./aggregator.js";
import type { RoundCost } from "./budget.js";
import type { Member } from "./cohort.js";
import { commitTo, type Eligible } from "./eligibility.js";
import type { RoundWork } from "./engine.js";
import { ACCOUNTANT, claimedEpsilon } from "./epsilons.js";
import { groupTargetOf, releaseCollected, releasedNoiseStdDev } from "./noise.js";
import { NoiseSeal, type RunPosition, runName, type StoredRun } from "./noise-run.js";
import { planBody } from "./plan-body.js";
import { type PopulationState, submittedSubjects } from "./population-state.js";
import { type LoggedPlan, RoundRecord } from "./round-record.js";
import { costOf, type RoundSpec } from "./round-spec.js";
import type { Schedule } from "./schedule.js";
import type { AbandonReason, RoundState } from "./states.js";

export interface RoundWorkDependencies {
  readonly ledger: Committer;
  readonly store: Store;
  readonly artifacts: ContentStore;
  readonly clock: { now(): number };
  readonly random: RandomSource;
  readonly schedule: Schedule;
  readonly state: PopulationState;
  /** The log's name. */
  readonly origin: string;
  /** To whom cohort lists are sealed: X25519 keys of 32 bytes; open lists where there are none. */
  readonly auditors?: readonly Uint8Array[];
  /** Seals the noise that a run carries on, 32 bytes. */
  readonly noiseKey: Uint8Array;
  /** Who may take part in a round that is about to be planned. */
  readonly eligible: () => Promise<Eligible>;
}

/** What a round found in the store has done already. */
export interface ResumedRound {
  readonly plan: LoggedPlan | undefined;
  /** Hash of the noised sum. */
  readonly aggregate: Uint8Array | null;
  readonly modelOut: Uint8Array | null;
  readonly strategyState: Uint8Array | null;
  /** Leaf hash of the debit. */
  readonly debit: Uint8Array | undefined;
}

/** The work of one round's transitions, for a population: plan, noise, budget, model, ledger. */
export class PopulationRoundWork implements RoundWork {
  readonly #deps: RoundWorkDependencies;
  readonly #spec: RoundSpec;
  readonly #position: RunPosition | null;
  readonly #record: RoundRecord;
  #plan: LoggedPlan | undefined;
  #aggregate: Uint8Array | undefined;
  /** The noised sum itself, until the model is made of it; after a restart it is read again. */
  #values: Float32Array | undefined;
  #debit: Uint8Array | undefined;
  #modelOut: Uint8Array | null;

  /** @param position the round's place in a run; null for a round by itself */
  constructor(
    deps: RoundWorkDependencies,
    spec: RoundSpec,
    { round, position }: { readonly round: number; readonly position: RunPosition | null },
    resumed?: ResumedRound,
  ) {
    this.#deps = deps;
    this.#spec = spec;
    this.#position = position;
    const sealing = { log: deps.origin, auditors: deps.auditors ?? [] };
    this.#record = new RoundRecord(deps.ledger, deps.clock, deps.schedule.population, round, sealing);
    this.#plan = resumed?.plan;
    this.#aggregate = resumed?.aggregate ?? undefined;
    this.#debit = resumed?.debit;
    this.#modelOut = resumed?.modelOut ?? null;
    if (resumed !== undefined && resumed.modelOut !== null) {
      deps.state.model = resumed.modelOut;
      deps.state.strategyState = resumed.strategyState;
    }
    // A reservation is not stored: the events of the store and the round under way say it all.
    if (resumed?.plan !== undefined && resumed.debit === undefined) deps.state.budget.reserve(this.#cost);
  }

  /** The log's entry of the plan, once it is there. */
  get plan(): LoggedPlan | undefined {
    return this.#plan;
  }

  get #cost(): RoundCost {
    return costOf(this.#spec, runName(this.#position, this.#plan?.hash));
  }

  async begin(): Promise<void> {
    await this.#record.planned(this.#spec.kind, this.#spec.event, this.#deps.state.model);
  }

  async reserve(): Promise<void> {
    const { schedule, state, artifacts } = this.#deps;
    const epsilonAfter = state.budget.reserve(this.#cost);
    const modelBytes = await artifacts.size(state.model);
    if (modelBytes === undefined)
      throw new CoordinatorError("ARTIFACT_CORRUPT", "expected the model's file, it is gone");
    const facts = {
      schedule,
      spec: this.#spec,
      round: this.#record.round,
      model: { sha256: state.model, bytes: modelBytes },
      epsilonAfter: claimedEpsilon(epsilonAfter),
      staleModels: await this.#staleModels(),
      position: this.#position,
    };
    do {
      const eligible = await this.#deps.eligible();
      const body = planBody({ ...facts, eligible: await commitTo(eligible) });
      this.#plan = await this.#record.reserved(body, eligible.untilMs);
    } while (this.#plan === undefined);
    // A run that begins here has the name of this plan.
    state.budget.reserve(this.#cost);
    state.lastRound = this.#record.round;
  }

  /** The models before the present one, newest first, of which updates are still taken. */
  async #staleModels(): Promise<readonly Uint8Array[]> {
    const { staleness } = this.#spec;
    if (staleness === null || staleness.maximum === 0) return [];
    const { store, schedule, state } = this.#deps;
    const before = await store.db
      .selectFrom("rounds")
      .select("model_in")
      .where("population", "=", schedule.population)
      .where("kind", "=", "train")
      .where("state", "=", "closed")
      .orderBy("round", "desc")
      .limit(staleness.maximum)
      .execute();
    return before.flatMap(({ model_in: model }) =>
      model === null || Buffer.from(model).equals(state.model) ? [] : [model],
    );
  }

  configure(members: readonly Member[]): Promise<void> {
    return this.#record.configured(members);
  }

  enter(state: RoundState, deadlineMs: number | null): Promise<void> {
    return this.#record.entered(state, deadlineMs);
  }

  async aggregate(collected: Collected, submitted: readonly Member[]): Promise<void> {
    const { artifacts, random, schedule, state } = this.#deps;
    const noise = this.#runNoise();
    const released = await releaseCollected(collected, {
      strategy: schedule.strategy,
      spec: this.#spec,
      random,
      run: noise,
      rotationSeed: this.#logged().hash,
    });
    const run = this.#runAfter(noise);
    const bytes = new Uint8Array(released.buffer, released.byteOffset, released.byteLength);
    this.#aggregate = await artifacts.put(bytes);
    this.#values = released;
    await this.#record.aggregated(this.#aggregate, submitted, run);
    if (run !== null) state.run = run;
  }

  /** The run's noise as the step before has left it. */
  #runNoise(): CorrelatedNoise | null {
    const { mechanism } = this.#spec;
    const { state, random, noiseKey, schedule } = this.#deps;
    if (mechanism?.at !== "run" || this.#position === null) return null;
    if (this.#position.first === null) return new CorrelatedNoise(mechanism, random);
    if (state.run === undefined) throw new CoordinatorError("INTERNAL", "expected a stored run for its next step");
    const before = new NoiseSeal(noiseKey).open(schedule.population, state.run, mechanism);
    return new CorrelatedNoise(mechanism, random, before);
  }

  /** What is kept of the run for its next step. */
  #runAfter(noise: CorrelatedNoise | null): StoredRun | null {
    const { mechanism, event } = this.#spec;
    if (noise === null || mechanism?.at !== "run" || this.#position === null) return null;
    const { noiseKey, schedule } = this.#deps;
    const first = this.#position.first ?? this.#logged().hash;
    const { step } = this.#position;
    const isLast = step === mechanism.participation.steps;
    const sealed = isLast ? new Uint8Array(0) : new NoiseSeal(noiseKey).seal(schedule.population, first, noise.state());
    return { first, event: JSON.stringify(event), step, sealed };
  }

  async debit(): Promise<void> {
    const { schedule, state, store } = this.#deps;
    const plan = this.#logged();
    const epsilon = state.budget.debit();
    const subjects = await submittedSubjects(store, schedule.population, this.#record.round);
    const prior = state.lastDebit;
    this.#debit = await this.#record.debited({
      population: schedule.population,
      round: this.#record.round,
      plan: Buffer.from(plan.hash).toString("base64url"),
      event: encodeEvent(this.#spec.event),
      accountant: ACCOUNTANT,
      epsilon: claimedEpsilon(epsilon),
      delta: formatDecimal(schedule.cap.delta),
      prior: prior === undefined ? null : Buffer.from(prior).toString("base64url"),
    });
    state.lastDebit = this.#debit;
    state.participants.debit(this.#cost, subjects, this.#position?.step);
  }

  async release(): Promise<void> {
    if (this.#spec.kind === "train") await this.#releaseModel();
    else await this.#releaseMetrics();
  }

  async close(): Promise<void> {
    const { state } = this.#deps;
    await this.#record.closed(this.#logged(), { aggregate: this.#released(), modelOut: this.#modelOut });
    state.completed += 1;
    if (this.#spec.kind === "train") state.trained += 1;
  }

  async abandon(reason: AbandonReason): Promise<void> {
    this.#deps.state.budget.release();
    await this.#record.abandoned(this.#plan, reason);
  }

  async #releaseModel(): Promise<void> {
    const { artifacts, schedule, state } = this.#deps;
    const { loaded } = state;
    const before = loaded?.sha256 === state.model ? loaded : decodeSafetensors(await artifacts.read(state.model));
    const sum = await this.#sum();
    const step = schedule.strategy.apply({
      parameters: before.parameters,
      // Behind the updates there is what devices report of their clip.
      sum: this.#spec.adaptive === null ? sum : sum.subarray(0, sum.length - 1),
      ...scaleOf(this.#spec, schedule.strategy),
      step: state.trained + 1,
      steps: schedule.rounds.filter(({ kind }) => kind === "train").length,
      state: state.strategyState === null ? new Float32Array(0) : asFloats(await artifacts.read(state.strategyState)),
    });
    const model = await artifacts.put(
      encodeSafetensors({
        tensors: before.tensors,
        parameters: step.parameters,
        metadata: { population: schedule.population, round: String(this.#record.round) },
      }),
    );
    const strategyState = step.state.length === 0 ? null : await artifacts.put(asBytes(step.state));
    await this.#record.releasedModel(this.#debited(), {
      sha256: model,
      strategyState,
      promotes: schedule.releases === "automatic",
    });
    state.model = model;
    state.loaded = { sha256: model, tensors: before.tensors, parameters: step.parameters };
    state.strategyState = strategyState;
    this.#modelOut = model;
  }

  async #releaseMetrics(): Promise<void> {
    const { state } = this.#deps;
    const { cohort } = this.#spec;
    const metrics = await this.#metrics();
    const { trainer } = this.#logged().body;
    const query = createHash("sha256")
      .update(canonicalBytes({ trainer, model: Buffer.from(state.model).toString("base64url") }))
      .digest();
    await this.#record.releasedMetrics(this.#logged(), this.#debited(), {
      query,
      minimumCohort: cohort.minimum,
      metrics: JSON.stringify(metrics),
    });
    state.metrics = metrics;
  }

  async #metrics(): Promise<Readonly<Record<string, number>>> {
    const { schedule, store } = this.#deps;
    const sum = await this.#sum();
    const { body } = this.#logged();
    const { length } = await submittedSubjects(store, schedule.population, this.#record.round);
    if (this.#spec.query !== null) return namedValues(readRelease(body, sum, length));
    return schedule.metrics(sum, this.#spec.trainer.settings, releasedVariance(body, length));
  }

  async #sum(): Promise<Float32Array> {
    const values = this.#values ?? asFloats(await this.#deps.artifacts.read(this.#released()));
    this.#values = undefined;
    return values;
  }

  #logged(): LoggedPlan {
    if (this.#plan === undefined)
      throw new CoordinatorError("INTERNAL", "expected a plan in the log before this state");
    return this.#plan;
  }

  #released(): Uint8Array {
    if (this.#aggregate === undefined)
      throw new CoordinatorError("INTERNAL", "expected an aggregate before this state");
    return this.#aggregate;
  }

  #debited(): Uint8Array {
    if (this.#debit === undefined) throw new CoordinatorError("INTERNAL", "expected a debit before a release");
    return this.#debit;
  }
}

/** The divisor and the noise of what a round released, for its strategy's step. */
export function scaleOf(
  spec: RoundSpec,
  { family }: Strategy,
): { readonly divisor: number; readonly noiseStdDev: number } {
  const { mechanism, cohort, divisor } = spec;
  if (family === "sum") return { divisor, noiseStdDev: releasedNoiseStdDev(mechanism, cohort.target) };
  if (family === "per-update") return { divisor: 1, noiseStdDev: 0 };
  const members = groupTargetOf(spec);
  // At most that of one group's mean.
  return { divisor: 1, noiseStdDev: releasedNoiseStdDev(mechanism, members) / members };
}

function asBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function asFloats(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}
