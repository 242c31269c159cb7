import { CoordinatorError } from "../errors.js";
import { notLeading } from "../leadership/leases.js";
import type { Committer, Fence } from "../ledger/ledger.js";
import type { Device } from "../registry/device.js";
import { type CheckIn, CheckIns, type Idle, type Join } from "./check-in.js";
import { ConsentGate } from "./consent-gate.js";
import { CrowdSignal, type Joined } from "./crowd-signal.js";
import { type CurrentRound, excludeFrom, leaveRound } from "./current-round.js";
import type { RoundEngine, RoundNotice, Submission } from "./engine.js";
import { EventHub } from "./event-hub.js";
import { Farewell } from "./farewell.js";
import type { RoundProgress } from "./machine.js";
import type { Pause } from "./pause.js";
import { PopulationModels } from "./population-models.js";
import type { PopulationState } from "./population-state.js";
import { isBeingReleased } from "./resuming.js";
import { ReturnWindows } from "./return-windows.js";
import { type DrivingDependencies, type Finished, RoundDriver } from "./round-driver.js";
import type { Schedule } from "./schedule.js";
import type { SecureGroup } from "./secure-group.js";
import type { Chunk } from "./uploads.js";

/** With the budget spent, only a new policy brings more rounds: devices look for it now and then. Milliseconds. */
const WHEN_SPENT = { afterMs: 60_000, beforeMs: 600_000 };

type Tail<List extends readonly unknown[]> = List extends readonly [unknown, ...infer Rest] ? Rest : never;

/** One population: its rounds one after the other, and the calls of its devices. */
export class Population {
  readonly name: string;
  readonly schedule: Schedule;
  readonly hub: EventHub<RoundNotice> = new EventHub();
  readonly models: PopulationModels;
  /** Who is to hear that there are no more rounds. */
  readonly farewell: Farewell;
  readonly #deps: DrivingDependencies;
  readonly #gate = new ConsentGate();
  readonly #driver: RoundDriver;
  readonly #checkIns: CheckIns;
  readonly #windows: ReturnWindows;
  #stepping = new AbortController();
  #watchers = new CrowdSignal(this.#stepping.signal);

  constructor(deps: DrivingDependencies, schedule: Schedule, initialModel: Uint8Array) {
    this.#deps = deps;
    this.schedule = schedule;
    this.name = schedule.population;
    this.#driver = new RoundDriver(deps, { schedule, hub: this.hub, gate: this.#gate, initialModel });
    this.models = new PopulationModels({
      ...deps,
      population: schedule.population,
      initial: initialModel,
      newest: () => this.#driver.state?.model,
    });
    this.farewell = new Farewell(deps.clock);
    this.#windows = new ReturnWindows(deps.clock);
    this.#checkIns = new CheckIns({
      ...deps,
      schedule,
      current: () => this.#driver.current,
      idle: () => this.idle(),
    });
  }

  get state(): PopulationState | undefined {
    return this.#driver.state;
  }

  get round(): RoundNotice | undefined {
    return this.#driver.current?.engine.notice;
  }

  /** How far the newest round of this process is. */
  get underWay(): { readonly round: number; readonly progress: RoundProgress } | undefined {
    return this.#driver.current?.engine;
  }

  /** Whether a later round has begun. */
  isPast(round: number): boolean {
    return round < (this.#driver.current?.engine.round ?? 0);
  }

  /** Why there are no more rounds; undefined while there are. */
  get finished(): Finished | undefined {
    return this.#driver.finished;
  }

  /** Whether no round begins until an operator resumes it: the round under way ends. */
  get pause(): Pause | null {
    return this.#driver.pause;
  }

  /** Rounds in a row that came to nothing. */
  get failures(): number {
    return this.#driver.failures;
  }

  /** For whatever is written about this population: nothing is, once another coordinator leads it. */
  get ledger(): Committer {
    return this.#driver.ledger;
  }

  /** A watcher's signal that ends, too, when this coordinator leads the population no longer, with what to tell it then. */
  untilSteppedDown(signal: AbortSignal): Joined {
    return this.#watchers.join(signal);
  }

  /** Drives the rounds to their end. @see RoundDriver.run */
  run(signal: AbortSignal, fence?: Fence): Promise<void> {
    return this.#driver.run(signal, fence);
  }

  /** Begins no more rounds. @see RoundDriver.drain */
  drain(deadlineMs: number): Promise<void> {
    return this.#driver.drain(deadlineMs);
  }

  /** Gives a round up. @throws as `RoundDriver.abandonRound` */
  abandonRound(round: number): Promise<void> {
    return this.#driver.abandonRound(round);
  }

  /** Reads from the store whether it is paused; called when that has changed. */
  readPause(): Promise<void> {
    return this.#driver.readPause();
  }

  /** Another coordinator may lead the population from here on: what is known of its rounds is void, watchers are sent away. */
  stepDown(): void {
    this.#driver.stepDown();
    this.#stepping.abort(notLeading(this.name));
    this.#stepping = new AbortController();
    this.#watchers = new CrowdSignal(this.#stepping.signal);
  }

  idle(): Idle {
    const { finished } = this.#driver;
    if (finished === "budget") return { reason: "budget", ...WHEN_SPENT };
    return { reason: finished === undefined ? "no-round" : "finished", ...this.#windows.idle() };
  }

  /** When to come for a round that selects. */
  arrival({ round }: Pick<RoundNotice, "round">): Idle {
    const spec = this.#driver.current?.spec;
    if (spec === undefined) return this.idle();
    const crowd = Math.max(this.hub.watchers, spec.cohort.target);
    return { reason: "no-round", ...this.#windows.arrival(round, crowd, spec.deadlines.selectionMs) };
  }

  /** What there is for a device. @throws as `CheckIns.checkIn` */
  checkIn(device: Device): CheckIn {
    return this.#checkIns.checkIn(device);
  }

  /** Takes a device into the cohort. @throws as `CheckIns.join` */
  join(device: Device, join: Join): Promise<CheckIn> {
    return this.#checkIns.join(device, join);
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
    const { current } = this.#driver;
    if (current?.engine.round === round) await current.engine.untilNextState(ms, signal);
  }

  /** The group that a device is in. @throws as `RoundEngine.groupOf` */
  groupOf(device: Device, round: number): SecureGroup {
    return this.#engine(round).groupOf(device);
  }

  /** A device gives its place back; one that will not join is no longer waited for. */
  leave(device: Device, round: number, _reason: string): void {
    const { current } = this.#driver;
    if (current?.engine.round === round) leaveRound(current, device);
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
      const resumed = this.#driver.current;
      if (resumed === undefined) {
        throw new CoordinatorError("RETRY", "the coordinator has just started; come back", { retryAfterMs: 200 });
      }
      await resumed.engine.ended;
    }
    let settled: CurrentRound | undefined;
    // The next round may have begun when the one that was waited for has ended.
    for (let { current } = this.#driver; current !== undefined && current !== settled; current = this.#driver.current) {
      const { engine } = current;
      if (engine.cohort.get(device.id)?.state !== "submitted") {
        excludeFrom(current, device);
        return;
      }
      settled = current;
      if (!engine.isSpent) engine.abandon("CONSENT_WITHDRAWN");
      await engine.ended;
    }
  }

  /** A consent was given or withdrawn: who waits for enough participants may look again. */
  consentChanged(): void {
    this.#gate.changed();
  }

  #engine(round: number): RoundEngine {
    const engine = this.#driver.current?.engine;
    if (engine === undefined || engine.round !== round) {
      throw new CoordinatorError("NOT_IN_ROUND", `expected the round under way, came round ${round}; check in again`);
    }
    return engine;
  }
}
