import type { Kysely } from "kysely";
import { nextQuery } from "../analytics/next-query.js";
import { tunedSpec } from "../analytics/tuned-spec.js";
import { CoordinatorError } from "../errors.js";
import { notLeading } from "../leadership/leases.js";
import { type Committer, type Fence, fenced, type Ledger } from "../ledger/ledger.js";
import type { ContentStore } from "../models/content-store.js";
import type { Registry } from "../registry/registry.js";
import type { Database, Store } from "../store/database.js";
import { adaptedSpec } from "./adapted-spec.js";
import type { ConsentGate } from "./consent-gate.js";
import { type CurrentRound, type SecureSources, secureRoundOf, selectFrom } from "./current-round.js";
import { type Eligible, eligibleParticipants } from "./eligibility.js";
import { RoundEngine, type RoundNotice } from "./engine.js";
import type { EventHub } from "./event-hub.js";
import { nextPosition, positionIn, type RunPosition, runName } from "./noise-run.js";
import { failuresInARow, type Pause, pausePopulation } from "./pause.js";
import { PauseWatch } from "./pause-watch.js";
import { PopulationState, type StoredRound } from "./population-state.js";
import { progressOf, resumedRound } from "./resuming.js";
import { isFailure, type RoundRetries, waitAfter } from "./retries.js";
import { costOf, type RoundSpec } from "./round-spec.js";
import { PopulationRoundWork } from "./round-work.js";
import type { Schedule } from "./schedule.js";
import { type AbandonReason, hasEnded, type RoundState } from "./states.js";
import { UploadBuffers } from "./upload-buffers.js";
import { untilAborted, waitUnless } from "./waiting.js";

/** States of a round in which no device has begun to work. */
const BEFORE_WORK: ReadonlySet<RoundState> = new Set(["planned", "reserved", "selecting"]);

/** Why there are no more rounds. */
export type Finished = "rounds-done" | "budget";

/** That a population was paused because its rounds came to nothing. */
export interface PausedNotice extends Pause {
  /** The last of the rounds that were abandoned, how many in a row they were, and why that one was. */
  readonly round: number;
  readonly failures: number;
  readonly lastReason: AbandonReason;
}

export interface DrivingDependencies extends SecureSources {
  readonly ledger: Ledger;
  readonly store: Store;
  readonly artifacts: ContentStore;
  readonly registry: Registry;
  readonly clock: { now(): number };
  /** Seals the noise that runs carry from round to round, 32 bytes. */
  readonly noiseKey: Uint8Array;
  /** The log's name. */
  readonly origin: string;
  /** To whom cohort lists are sealed; open lists where there are none. */
  readonly auditors?: readonly Uint8Array[];
  /** Uploads of large updates held at a time. */
  readonly concurrentUploads: number;
  readonly retries: RoundRetries;
  readonly onNotice?: (population: string, notice: RoundNotice) => void;
  /** Told within the transaction that pauses a population, and when it is durable. */
  readonly onPausing?:
    | ((db: Kysely<Database>, population: string, notice: PausedNotice) => Promise<unknown>)
    | undefined;
  readonly onPaused?: ((population: string, notice: PausedNotice) => void) | undefined;
  /** Waits until the training round after so many closed ones is due; each is at once unless given. */
  readonly untilDue?: (trained: number, signal: AbortSignal) => Promise<void>;
}

/** What the rounds of one population are made of. */
export interface DrivenPopulation {
  readonly schedule: Schedule;
  readonly hub: EventHub<RoundNotice>;
  readonly gate: ConsentGate;
  readonly initialModel: Uint8Array;
}

/** Drives the rounds of one population, one after the other. */
export class RoundDriver {
  readonly #deps: DrivingDependencies;
  readonly #population: DrivenPopulation;
  readonly #name: string;
  readonly #uploadBuffers = new UploadBuffers();
  readonly #pause: PauseWatch;
  #state: PopulationState | undefined;
  #current: CurrentRound | undefined;
  /** Aborted when no more rounds are to begin; and when the driving is to stop where it is. */
  readonly #beginning = new AbortController();
  readonly #stopping = new AbortController();
  #finished: Finished | undefined;
  #committer: Committer;
  #failures = 0;

  constructor(deps: DrivingDependencies, population: DrivenPopulation) {
    this.#deps = deps;
    this.#committer = deps.ledger;
    this.#population = population;
    this.#name = population.schedule.population;
    this.#pause = new PauseWatch(deps.store, this.#name);
  }

  get state(): PopulationState | undefined {
    return this.#state;
  }

  get current(): CurrentRound | undefined {
    return this.#current;
  }

  get finished(): Finished | undefined {
    return this.#finished;
  }

  /** For whatever is written about this population: nothing is, once another coordinator leads it. */
  get ledger(): Committer {
    return this.#committer;
  }

  get pause(): Pause | null {
    return this.#pause.pause;
  }

  /** Reads from the store whether it is paused; called when that has changed. */
  readPause(): Promise<void> {
    return this.#pause.read();
  }

  /** Rounds in a row that came to nothing. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Drives the rounds of the schedule until they are done or the budget ends them. After a restart it goes on where the store
   * says. An aborted signal stops the driving and leaves no trace.
   *
   * @param fence where coordinators share the store: lets nothing be written once another one leads the population
   */
  async run(signal: AbortSignal, fence?: Fence): Promise<void> {
    this.#committer = fenced(this.#deps.ledger, fence);
    await this.#driveAll(AbortSignal.any([signal, this.#stopping.signal]));
  }

  /**
   * Begins no more rounds. A round that only selects so far is left to the next process, which selects anew; one in which
   * devices work ends, or is given up at the deadline, unless its budget is spent: then it ends in any case.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#beginning.abort();
    const engine = this.#current?.engine;
    if (engine === undefined || hasEnded(engine.progress.state) || BEFORE_WORK.has(engine.progress.state)) {
      this.#stopping.abort();
      return;
    }
    const timer = setTimeout(() => {
      if (!engine.isSpent) engine.abandon("OPERATOR_STOPPED");
    }, deadlineMs);
    try {
      // It rejects where the driving stops otherwise, which whoever drives is told.
      await engine.ended.catch(() => undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Gives a round up, if its budget is not spent yet.
   *
   * @throws CoordinatorError WRONG_STATE when it is not under way, or past that
   */
  async abandonRound(round: number): Promise<void> {
    const engine = this.#current?.engine;
    if (engine === undefined || engine.round !== round || hasEnded(engine.progress.state) || engine.isSpent) {
      throw new CoordinatorError(
        "WRONG_STATE",
        `expected a round whose budget is not spent yet, round ${round} is not`,
      );
    }
    engine.abandon("OPERATOR_STOPPED");
    await engine.ended;
  }

  /** Another coordinator may lead the population from here on: what is known of its rounds is void. */
  stepDown(): void {
    this.#state = undefined;
    this.#current = undefined;
    this.#finished = undefined;
    this.#committer = { commit: () => Promise.reject(notLeading(this.#name)) };
  }

  async #driveAll(signal: AbortSignal): Promise<void> {
    const { schedule, initialModel } = this.#population;
    const { store } = this.#deps;
    const { state, underWay } = await PopulationState.load(store, schedule, initialModel);
    this.#state = state;
    this.#failures = await failuresInARow(store.db, this.#name);
    let found = underWay;
    while (!signal.aborted && this.#finished === undefined) {
      const spec = schedule.rounds[state.completed];
      if (spec === undefined) {
        this.#finish("rounds-done");
        break;
      }
      if (found === undefined) {
        const begin = AbortSignal.any([signal, this.#beginning.signal]);
        await this.#mayBegin(spec, state, begin);
        if (begin.aborted) break;
      }
      const notice = await this.#drive(spec, state, found, signal);
      found = undefined;
      if (notice === undefined) break;
      if (notice.reason === "BUDGET_EXCEEDED") this.#finish("budget");
      else await this.#count(notice);
    }
  }

  /** Waits until a round is due, nothing has paused the population, and enough participants may take part. */
  async #mayBegin(spec: RoundSpec, state: PopulationState, begin: AbortSignal): Promise<void> {
    if (spec.kind === "train") await this.#deps.untilDue?.(state.trained, begin);
    await waitUnless(waitAfter(this.#deps.retries, this.#failures), begin);
    if (await this.#pause.untilRunning(begin)) {
      this.#failures = await failuresInARow(this.#deps.store.db, this.#name);
    }
    await this.#enough(spec, state, begin);
  }

  /** Counts the rounds in a row that came to nothing; after too many the population is paused. */
  async #count({ round, state, reason }: RoundNotice): Promise<void> {
    if (state === "closed") this.#failures = 0;
    if (reason === null || !isFailure(reason)) return;
    this.#failures += 1;
    if (this.#failures < this.#deps.retries.pauseAfter) return;
    const pause: Pause = { reason: "rounds-abandoned", sinceMs: this.#deps.clock.now() };
    const notice: PausedNotice = { ...pause, round, failures: this.#failures, lastReason: reason };
    await this.#committer.commit(async ({ db }) => {
      await pausePopulation(db, this.#name, pause);
      await this.#deps.onPausing?.(db, this.#name, notice);
    });
    await this.#pause.read();
    this.#deps.onPaused?.(this.#name, notice);
  }

  /**
   * Waits until a round is worth planning: as many participants are eligible as it aims for, or at least its minimum
   * and no more have come for the time of a selection. A round that the budget will refuse needs nobody.
   */
  async #enough(spec: RoundSpec, state: PopulationState, signal: AbortSignal): Promise<void> {
    const position = nextPosition(spec, state.run);
    if (!state.budget.allows(costOf(spec, runName(position, undefined)))) return;
    const { gate } = this.#population;
    const { target, minimum } = spec.cohort;
    let last = -1;
    while (!signal.aborted) {
      const { changes } = gate;
      const { size } = (await this.#eligible(spec, position)).members;
      if (size >= target || (size >= minimum && size === last)) return;
      last = size;
      await gate.wait(changes + target - size, spec.deadlines.selectionMs, signal);
    }
  }

  async #drive(
    planned: RoundSpec,
    state: PopulationState,
    found: StoredRound | undefined,
    signal: AbortSignal,
  ): Promise<RoundNotice | undefined> {
    const { schedule, hub } = this.#population;
    const round = found?.round ?? state.lastRound + 1;
    const resumed = found === undefined ? undefined : await resumedRound(found, this.#deps.ledger, state.lastDebit);
    const plan = resumed?.plan?.body;
    const sources = { ...this.#deps, population: this.#name };
    const adapted = await adaptedSpec(await tunedSpec(planned, sources), plan, sources);
    const spec = await nextQuery(adapted, plan, sources);
    const position = plan === undefined ? nextPosition(spec, state.run) : positionIn(plan);
    const work = new PopulationRoundWork(
      { ...this.#deps, ledger: this.#committer, schedule, state, eligible: () => this.#select(spec, position) },
      spec,
      { round, position },
      resumed,
    );
    if (found === undefined) await work.begin();
    const engine = new RoundEngine({
      round,
      kind: spec.kind,
      format: spec.format,
      family: spec.kind === "train" ? schedule.strategy.family : "sum",
      progress: progressOf(spec, found),
      work,
      clock: this.#deps.clock,
      hub,
      onNotice: (notice) => this.#deps.onNotice?.(this.#name, notice),
      concurrentUploads: this.#deps.concurrentUploads,
      uploadBuffers: this.#uploadBuffers,
      secure: spec.secureAggregation.enabled ? () => secureRoundOf(work, this.#deps) : null,
    });
    this.#current = { engine, work, spec, position, eligible: undefined, declined: new Set(), withdrawn: new Set() };
    // The cohort of a round that is planned already comes from the tree that its plan names.
    const consentTreeSize = plan?.consentTreeSize;
    if (found?.state === "reserved" || found?.state === "selecting") {
      await this.#select(spec, position, consentTreeSize);
    }
    engine.start(found !== undefined);
    const notice = await untilAborted(engine.ended, signal);
    if (notice === undefined) await engine.stop();
    return notice;
  }

  async #select(spec: RoundSpec, position: RunPosition | null, treeSize?: number): Promise<Eligible> {
    const eligible = await this.#eligible(spec, position, treeSize);
    if (this.#current !== undefined) selectFrom(this.#current, eligible);
    return eligible;
  }

  #eligible(spec: RoundSpec, position: RunPosition | null, treeSize?: number): Promise<Eligible> {
    const state = this.#state;
    // It was loaded before anything is driven, so it is gone because another coordinator leads.
    if (state === undefined) throw notLeading(this.#name);
    return eligibleParticipants({
      registry: this.#deps.registry,
      ledger: this.#deps.ledger,
      budgets: state.participants,
      schedule: this.#population.schedule,
      cost: costOf(spec, runName(position, undefined)),
      run: position === null ? undefined : { name: runName(position, undefined), step: position.step },
      clock: this.#deps.clock,
      treeSize,
    });
  }

  #finish(why: Finished): void {
    this.#finished = why;
    const round = this.#state?.lastRound ?? 0;
    this.#population.hub.publish({ round, kind: "train", state: "closed", deadlineMs: null, reason: null });
  }
}
