import { joinMessage, type SignatureVerifier, secureParametersOf } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import type { UnmaskEngine } from "@fedloop/privacy/secagg";
import { nextQuery } from "../analytics/next-query.js";
import { CoordinatorError } from "../errors.js";
import { notLeading } from "../leadership/leases.js";
import { type Committer, type Fence, fenced, type Ledger } from "../ledger/ledger.js";
import type { AssignGroup } from "../messaging/aggregators.js";
import type { ContentStore } from "../models/content-store.js";
import type { Device } from "../registry/device.js";
import type { Registry } from "../registry/registry.js";
import type { Store } from "../store/database.js";
import { adaptedSpec } from "./adapted-spec.js";
import { ConsentGate } from "./consent-gate.js";
import { type Eligible, eligibleParticipants } from "./eligibility.js";
import { RoundEngine, type RoundNotice, type Submission } from "./engine.js";
import { EventHub } from "./event-hub.js";
import type { RoundProgress } from "./machine.js";
import { nextPosition, positionIn, type RunPosition, runName } from "./noise-run.js";
import { PopulationModels } from "./population-models.js";
import { PopulationState, type StoredRound } from "./population-state.js";
import { isBeingReleased, progressOf, resumedRound } from "./resuming.js";
import { costOf, type RoundSpec } from "./round-spec.js";
import { PopulationRoundWork } from "./round-work.js";
import type { Schedule } from "./schedule.js";
import type { SecureGroup } from "./secure-group.js";
import { SecureRound } from "./secure-round.js";
import { hasEnded, type RoundState } from "./states.js";
import { UploadBuffers } from "./upload-buffers.js";
import type { Chunk } from "./uploads.js";

/** How often a paused population looks whether it still is, milliseconds. */
const LOOK_AGAIN_MS = 5_000;

/** States of a round in which no device has begun to work. */
const BEFORE_WORK: ReadonlySet<RoundState> = new Set(["planned", "reserved", "selecting"]);

/** With the budget spent, only a new policy brings more rounds: devices look for it now and then. Milliseconds. */
const WHEN_SPENT_MS = { after: 60_000, before: 600_000 };

/** Nothing to do for a device now, and when to ask again. */
export interface Idle {
  readonly reason: "no-round" | "full" | "finished" | "budget";
  readonly afterMs: number;
  readonly beforeMs: number;
}

export type CheckIn =
  | { readonly type: "idle"; readonly idle: Idle }
  | { readonly type: "offer"; readonly round: number; readonly planIndex: number; readonly consentIndex: number }
  | { readonly type: "joined"; readonly notice: RoundNotice };

export interface Join {
  readonly round: number;
  /** Leaf hash of the plan entry, 32 bytes. */
  readonly plan: Uint8Array;
  readonly signature: Uint8Array;
}

export interface PopulationDependencies {
  readonly ledger: Ledger;
  readonly store: Store;
  readonly artifacts: ContentStore;
  readonly registry: Registry;
  readonly verifier: SignatureVerifier;
  readonly clock: { now(): number };
  readonly random: RandomSource;
  /** Seals the noise that runs carry from round to round, 32 bytes. */
  readonly noiseKey: Uint8Array;
  /** What takes the masks out of sums. */
  readonly unmaskEngine: () => UnmaskEngine;
  /** Gives groups of secure aggregation to other processes; all are this one's work unless given. */
  readonly assignGroup?: AssignGroup | undefined;
  /** The log's name. */
  readonly origin: string;
  /** To whom cohort lists are sealed; open lists where there are none. */
  readonly auditors?: readonly Uint8Array[];
  /** Uploads of large updates held at a time. */
  readonly concurrentUploads: number;
  readonly onNotice?: (population: string, notice: RoundNotice) => void;
  /** Waits until the training round after so many closed ones is due; each is at once unless given. */
  readonly untilDue?: (trained: number, signal: AbortSignal) => Promise<void>;
}

type Tail<List extends readonly unknown[]> = List extends readonly [unknown, ...infer Rest] ? Rest : never;

interface Current {
  readonly engine: RoundEngine;
  readonly work: PopulationRoundWork;
  readonly spec: RoundSpec;
  readonly position: RunPosition | null;
  eligible: Eligible | undefined;
}

/** One population: its rounds one after the other, and the calls of its devices. */
export class Population {
  readonly name: string;
  readonly schedule: Schedule;
  readonly hub: EventHub<RoundNotice> = new EventHub();
  readonly models: PopulationModels;
  readonly #deps: PopulationDependencies;
  readonly #initialModel: Uint8Array;
  readonly #gate = new ConsentGate();
  readonly #uploadBuffers = new UploadBuffers();
  #state: PopulationState | undefined;
  #current: Current | undefined;
  /** Aborted when no more rounds are to begin; and when the driving is to stop where it is. */
  readonly #beginning = new AbortController();
  readonly #stopping = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #isPaused = false;
  #finished: "rounds-done" | "budget" | "abandoned" | undefined;
  #committer: Committer;
  #stepping = new AbortController();

  constructor(deps: PopulationDependencies, schedule: Schedule, initialModel: Uint8Array) {
    this.#deps = deps;
    this.#committer = deps.ledger;
    this.schedule = schedule;
    this.name = schedule.population;
    this.#initialModel = initialModel;
    this.models = new PopulationModels({
      ...deps,
      population: schedule.population,
      initial: initialModel,
      newest: () => this.#state?.model,
    });
  }

  get state(): PopulationState | undefined {
    return this.#state;
  }

  get round(): RoundNotice | undefined {
    return this.#current?.engine.notice;
  }

  /** How far the newest round of this process is. */
  get underWay(): { readonly round: number; readonly progress: RoundProgress } | undefined {
    return this.#current?.engine;
  }

  /** Why there are no more rounds; undefined while there are. */
  get finished(): "rounds-done" | "budget" | "abandoned" | undefined {
    return this.#finished;
  }

  /**
   * Drives the rounds of the schedule until they are done, the budget ends them, or too many in a row were abandoned.
   * After a restart it goes on where the store says. An aborted signal stops the driving and leaves no trace.
   *
   * @param fence where coordinators share the store: lets nothing be written once another one leads the population
   */
  async run(signal: AbortSignal, fence?: Fence): Promise<void> {
    this.#committer = fenced(this.#deps.ledger, fence);
    await this.#driveAll(AbortSignal.any([signal, this.#stopping.signal]));
  }

  /** Whether an operator has paused it: the round under way ends, and no other begins. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Reads from the store whether it is paused; called when that has changed. */
  async readPause(): Promise<void> {
    const row = await this.#deps.store.db
      .selectFrom("populations")
      .select("state")
      .where("name", "=", this.name)
      .executeTakeFirst();
    this.#isPaused = row?.state === "paused";
    for (const wake of this.#waiting.splice(0)) wake();
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

  async #driveAll(signal: AbortSignal): Promise<void> {
    const { state, underWay } = await PopulationState.load(this.#deps.store, this.schedule, this.#initialModel);
    this.#state = state;
    let abandoned = 0;
    let found = underWay;
    while (!signal.aborted && this.#finished === undefined) {
      const spec = this.schedule.rounds[state.completed];
      if (spec === undefined) {
        this.#finish("rounds-done");
        break;
      }
      if (found === undefined) {
        const begin = AbortSignal.any([signal, this.#beginning.signal]);
        if (spec.kind === "train") await this.#deps.untilDue?.(state.trained, begin);
        await this.#unpaused(begin);
        await this.#enough(spec, state, begin);
        if (begin.aborted) break;
      }
      const notice = await this.#drive(spec, state, found, signal);
      found = undefined;
      if (notice === undefined) break;
      if (notice.state === "closed") abandoned = 0;
      else if (notice.reason === "BUDGET_EXCEEDED") this.#finish("budget");
      else if (++abandoned > this.schedule.maxAbandoned) this.#finish("abandoned");
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

  async #unpaused(signal: AbortSignal): Promise<void> {
    await this.readPause();
    while (this.#isPaused && !signal.aborted) {
      await new Promise<void>((resolve) => {
        // Where coordinators share the store, another one may have been told to resume.
        const timer = setTimeout(resolve, LOOK_AGAIN_MS);
        const wake = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#waiting.push(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
      await this.readPause();
    }
  }

  /** Another coordinator may lead the population from here on: what is known of its rounds is void, watchers are sent away. */
  stepDown(): void {
    this.#state = undefined;
    this.#current = undefined;
    this.#finished = undefined;
    this.#committer = { commit: () => Promise.reject(notLeading(this.name)) };
    this.#stepping.abort(notLeading(this.name));
    this.#stepping = new AbortController();
  }

  /** For whatever is written about this population: nothing is, once another coordinator leads it. */
  get ledger(): Committer {
    return this.#committer;
  }

  /** Aborted when this coordinator leads the population no longer, with what to tell those that waited for its rounds. */
  get steppedDown(): AbortSignal {
    return this.#stepping.signal;
  }

  idle(): Idle {
    const { after, before } = this.#finished === "budget" ? WHEN_SPENT_MS : this.schedule.returnWindowMs;
    const reason =
      this.#finished === undefined ? "no-round" : this.#finished === "budget" ? "budget" : ("finished" as const);
    return { reason, afterMs: after, beforeMs: before };
  }

  /** When to come for a round that selects: spread out, so that a cohort does not arrive in one instant. */
  arrival(): Idle {
    return { reason: "no-round", afterMs: 0, beforeMs: this.schedule.arrivalMs };
  }

  /** What there is for a device: a round to verify and join, its place in one, or nothing now. */
  checkIn(device: Device): CheckIn {
    const current = this.#current;
    if (current === undefined || hasEnded(current.engine.progress.state)) return { type: "idle", idle: this.idle() };
    if (current.engine.cohort.hasPlace(device.id)) return { type: "joined", notice: current.engine.notice };
    if (current.engine.progress.state !== "selecting") {
      return { type: "idle", idle: { ...this.idle(), reason: "full" } };
    }
    const consentIndex = this.#relied(current, device);
    const plan = current.work.plan;
    if (plan === undefined) return { type: "idle", idle: this.idle() };
    return { type: "offer", round: current.engine.round, planIndex: plan.index, consentIndex };
  }

  /**
   * Takes a device into the cohort on its signature over the plan's leaf hash.
   *
   * @throws CoordinatorError STALE_OFFER, NO_CONSENT, BAD_SIGNATURE
   */
  async join(device: Device, join: Join): Promise<CheckIn> {
    const current = this.#current;
    const plan = current?.work.plan;
    if (
      current === undefined ||
      plan === undefined ||
      current.engine.round !== join.round ||
      !Buffer.from(plan.hash).equals(join.plan)
    ) {
      throw new CoordinatorError("STALE_OFFER", "expected a join of the round on offer; check in for the present one");
    }
    if (current.engine.cohort.hasPlace(device.id)) return { type: "joined", notice: current.engine.notice };
    const message = joinMessage({
      log: this.#deps.origin,
      plan: Buffer.from(plan.hash).toString("base64url"),
      population: this.name,
      round: join.round,
      subject: device.subject,
    });
    if (!(await this.#deps.verifier.verify(device.publicKey, message, join.signature))) {
      throw new CoordinatorError("BAD_SIGNATURE", "expected a join signed by the device's key, it does not verify");
    }
    if (current.engine.progress.state !== "selecting") {
      return { type: "idle", idle: { ...this.idle(), reason: "full" } };
    }
    // After the last pause: a withdrawal that came meanwhile counts.
    const consentIndex = this.#relied(current, device);
    current.engine.join({
      device,
      consentIndex,
      joinSignature: join.signature,
      joinedMs: this.#deps.clock.now(),
      state: "joined",
      submitted: null,
      maskKey: null,
    });
    return { type: "joined", notice: current.engine.notice };
  }

  /** Gives a device a place for an upload. @throws as `RoundEngine.reservePlace` */
  reservePlace(device: Device, round: number, ...ask: Tail<Parameters<RoundEngine["reservePlace"]>>): Promise<number> {
    return this.#engine(round).reservePlace(device, ...ask);
  }

  placeChunk(device: Device, round: number, chunk: Chunk): number {
    return this.#engine(round).placeChunk(device, chunk);
  }

  submit(device: Device, round: number, submission: Submission): void {
    this.#engine(round).submit(device, submission);
  }

  /** Takes a device's message of a step of secure aggregation. @throws as `RoundEngine.takeStep` */
  takeStep(device: Device, round: number, ...message: Tail<Parameters<RoundEngine["takeStep"]>>): Promise<SecureGroup> {
    return this.#engine(round).takeStep(device, ...message);
  }

  /** Waits until a round goes on. @throws as `RoundEngine.untilNextState` */
  async untilNextState(round: number, ms: number, signal: AbortSignal): Promise<void> {
    const current = this.#current;
    if (current?.engine.round === round) await current.engine.untilNextState(ms, signal);
  }

  /** The group that a device is in. @throws as `RoundEngine.groupOf` */
  groupOf(device: Device, round: number): SecureGroup {
    return this.#engine(round).groupOf(device);
  }

  /** A device gives its place back; one that will not join is no longer waited for. */
  leave(device: Device, round: number, _reason: string): void {
    const current = this.#current;
    if (current === undefined || current.engine.round !== round) return;
    current.engine.leave(device);
    if (current.eligible?.members.delete(device.subject) === true) {
      current.engine.expectAtMost(current.eligible.members.size);
    }
  }

  /**
   * Called before a withdrawal is written: from here on nothing of this participant is used. If its update is in a
   * sum that is still being collected, that round is given up, since single updates are not kept to be taken out. If
   * the sum is released already, the round closes first, so that the log shows the order in which things happened.
   *
   * @throws CoordinatorError RETRY when the round goes on only after a restart
   */
  async beforeWithdrawal(device: Device): Promise<void> {
    if (await isBeingReleased(this.#deps.store, this.name, device)) {
      // After a restart the cohort is in the store only, and for a moment nobody drives its round.
      const resumed = this.#current;
      if (resumed === undefined) {
        throw new CoordinatorError("RETRY", "the coordinator has just started; come back", { retryAfterMs: 200 });
      }
      await resumed.engine.ended;
    }
    let settled: Current | undefined;
    // The next round may have begun when the one that was waited for has ended.
    while (this.#current !== undefined && this.#current !== settled) {
      const { engine } = this.#current;
      if (engine.cohort.get(device.id)?.state !== "submitted") {
        this.leave(device, engine.round, "WITHDRAWN");
        return;
      }
      settled = this.#current;
      if (!engine.isSpent) engine.abandon("CONSENT_WITHDRAWN");
      await engine.ended;
    }
  }

  /** A consent was given or withdrawn: who waits for enough participants may look again. */
  consentChanged(): void {
    this.#gate.changed();
  }

  /**
   * Waits until a round is worth planning: as many participants are eligible as it aims for, or at least its minimum
   * and no more have come for the time of a selection. A round that the budget will refuse needs nobody.
   */
  async #enough(spec: RoundSpec, state: PopulationState, signal: AbortSignal): Promise<void> {
    const position = nextPosition(spec, state.run);
    if (!state.budget.allows(costOf(spec, runName(position, undefined)))) return;
    const { target, minimum } = spec.cohort;
    let last = -1;
    while (!signal.aborted) {
      const { changes } = this.#gate;
      const { size } = (await this.#eligible(spec, position)).members;
      if (size >= target || (size >= minimum && size === last)) return;
      last = size;
      await this.#gate.wait(changes + target - size, spec.deadlines.selectionMs, signal);
    }
  }

  async #drive(
    planned: RoundSpec,
    state: PopulationState,
    found: StoredRound | undefined,
    signal: AbortSignal,
  ): Promise<RoundNotice | undefined> {
    const round = found?.round ?? state.lastRound + 1;
    const resumed = found === undefined ? undefined : await resumedRound(found, this.#deps.ledger, state.lastDebit);
    const plan = resumed?.plan?.body;
    const sources = { ...this.#deps, population: this.name };
    const spec = await nextQuery(await adaptedSpec(planned, plan, sources), plan, sources);
    const position = plan === undefined ? nextPosition(spec, state.run) : positionIn(plan);
    const work = new PopulationRoundWork(
      {
        ...this.#deps,
        ledger: this.#committer,
        schedule: this.schedule,
        state,
        eligible: () => this.#select(spec, position),
      },
      spec,
      { round, position },
      resumed,
    );
    if (found === undefined) await work.begin();
    const engine = new RoundEngine({
      round,
      kind: spec.kind,
      format: spec.format,
      family: spec.kind === "train" ? this.schedule.strategy.family : "sum",
      progress: progressOf(spec, found),
      work,
      clock: this.#deps.clock,
      hub: this.hub,
      onNotice: (notice) => this.#deps.onNotice?.(this.name, notice),
      concurrentUploads: this.#deps.concurrentUploads,
      uploadBuffers: this.#uploadBuffers,
      secure: spec.secureAggregation.enabled ? () => secureRoundOf(work, this.#deps) : null,
    });
    this.#current = { engine, work, spec, position, eligible: undefined };
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
    if (this.#current !== undefined) {
      this.#current.eligible = eligible;
      this.#current.engine.expectAtMost(eligible.members.size);
    }
    return eligible;
  }

  #eligible(spec: RoundSpec, position: RunPosition | null, treeSize?: number): Promise<Eligible> {
    const state = this.#state;
    if (state === undefined) throw new CoordinatorError("INTERNAL", "expected the population's state to be loaded");
    return eligibleParticipants({
      registry: this.#deps.registry,
      ledger: this.#deps.ledger,
      budgets: state.participants,
      schedule: this.schedule,
      cost: costOf(spec, runName(position, undefined)),
      run: position === null ? undefined : { name: runName(position, undefined), step: position.step },
      clock: this.#deps.clock,
      treeSize,
    });
  }

  /**
   * The consent entry that a device's part in the round rests on: valid in the plan's tree, valid now, and given under
   * the key that signs for the device, which is the one that an auditor verifies its join by.
   *
   * @throws CoordinatorError NO_CONSENT
   */
  #relied(current: Current, device: Device): number {
    const relied = current.eligible?.members.get(device.subject);
    const now = this.#deps.ledger.view.status(device.subject, this.schedule.purpose, this.#deps.clock.now());
    const isOwn = now.record?.key === Buffer.from(device.publicKey).toString("base64url");
    if (relied === undefined || now.state !== "given" || now.index !== relied || !isOwn) {
      throw new CoordinatorError(
        "NO_CONSENT",
        `expected a consent in force for "${this.schedule.purpose}" when the round was planned, and budget left; there is none`,
      );
    }
    return relied;
  }

  #engine(round: number): RoundEngine {
    const engine = this.#current?.engine;
    if (engine === undefined || engine.round !== round) {
      throw new CoordinatorError("NOT_IN_ROUND", `expected the round under way, came round ${round}; check in again`);
    }
    return engine;
  }

  #finish(why: "rounds-done" | "budget" | "abandoned"): void {
    this.#finished = why;
    const round = this.#state?.lastRound ?? 0;
    this.hub.publish({ round, kind: "train", state: "closed", deadlineMs: null, reason: null });
  }
}

/** Secure aggregation as the round's logged plan has it. */
function secureRoundOf(
  { plan }: PopulationRoundWork,
  {
    verifier,
    random,
    unmaskEngine,
    assignGroup,
  }: Pick<PopulationDependencies, "verifier" | "random" | "unmaskEngine" | "assignGroup">,
): SecureRound {
  const groupTarget = plan?.body.secureAggregation.parameters?.groupTarget;
  if (plan === undefined || groupTarget === undefined) {
    throw new CoordinatorError("INTERNAL", "expected a logged plan with secure aggregation before its keys");
  }
  const parameters = secureParametersOf(plan.body, plan.hash);
  return new SecureRound({ parameters, groupTarget, verifier, random, engine: unmaskEngine(), assign: assignGroup });
}

/** The value, or undefined once the signal is aborted. */
async function untilAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  let stop: (() => void) | undefined;
  const aborted = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([value, aborted]);
  } finally {
    if (stop !== undefined) signal.removeEventListener("abort", stop);
  }
}
