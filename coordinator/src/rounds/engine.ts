import type { Receipt } from "@fedloop/privacy/secagg";
import { CoordinatorError } from "../errors.js";
import type { Device } from "../registry/device.js";
import { Cohort, type Member } from "./cohort.js";
import { goingDown, RoundCollection, type Submission } from "./collection.js";
import type { RoundEngineOptions, RoundNotice } from "./engine-options.js";
import { HeldCalls } from "./held-calls.js";
import { type RoundEffect, type RoundMessage, type RoundProgress, stepRound, waitsForDevices } from "./machine.js";
import { SECURE_STEPS, type SecureGroup, type SecureStep } from "./secure-group.js";
import { takeSecurely } from "./secure-round.js";
import { type AbandonReason, hasEnded, isSpent, type RoundState } from "./states.js";
import type { Chunk } from "./uploads.js";

export type { Submission } from "./collection.js";
export type { RoundEngineOptions, RoundNotice, RoundWork } from "./engine-options.js";

/** What was missing when a step of secure aggregation ended with too few members. */
const MISSING: Readonly<Record<SecureStep, AbandonReason>> = {
  keys: "TOO_FEW_KEYS",
  shares: "TOO_FEW_SHARES",
  masked: "TOO_FEW_UPDATES",
  consistency: "TOO_FEW_SIGNATURES",
  unmask: "TOO_FEW_UNMASK_ANSWERS",
};

/**
 * Drives one round: feeds the machine, does what it says, keeps cohort and sum in memory. Transitions follow one
 * another strictly; device calls are answered from the present state and never wait for one.
 */
export class RoundEngine {
  readonly round: number;
  readonly cohort: Cohort = new Cohort();
  /** Resolves when the round is closed or abandoned; rejects when a transition failed or the driving was stopped. */
  readonly ended: Promise<RoundNotice>;
  readonly #options: RoundEngineOptions;
  readonly #collection: RoundCollection;
  readonly #held = new HeldCalls();
  #settleEnded: { resolve(notice: RoundNotice): void; reject(cause: unknown): void } | undefined;
  #progress: RoundProgress;
  #transitions: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #reason: AbandonReason | null = null;
  #isStopped = false;
  /** How many devices could join at most. */
  #available = Number.POSITIVE_INFINITY;

  constructor(options: RoundEngineOptions) {
    this.#options = options;
    this.round = options.round;
    this.#progress = options.progress;
    this.#collection = new RoundCollection(options, this.cohort, () => this.#progress.state);
    this.ended = new Promise((resolve, reject) => {
      this.#settleEnded = { resolve, reject };
    });
    // Whoever drives the rounds awaits it; until then a failure is not unhandled.
    this.ended.catch(() => undefined);
  }

  get progress(): RoundProgress {
    return this.#progress;
  }

  get notice(): RoundNotice {
    const { state, deadlineMs } = this.#progress;
    return { round: this.round, kind: this.#options.kind, state, deadlineMs, reason: this.#reason };
  }

  /** Begins the round, or goes on with one found in the store. */
  start(restarted: boolean): void {
    const { state } = this.#progress;
    if (!restarted) this.#options.onNotice?.(this.notice);
    if (restarted) this.#send({ type: "restarted", nowMs: this.#options.clock.now() });
    if (hasEnded(this.#progress.state) || this.#progress.state !== state) return;
    if (waitsForDevices(state)) {
      this.#arm();
      if (state === "selecting") this.expectAtMost(this.#available);
      this.#options.hub.publish(this.notice);
    } else {
      // What this state had to do is durable: the next one begins.
      this.#done();
    }
  }

  /** Gives the round up, if its budget is not spent yet. */
  abandon(reason: AbandonReason): void {
    this.#send({ type: "abandon", reason });
  }

  /** Stops driving, without a trace: what is durable stays, and a later start goes on from there. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#collection.stop();
    clearTimeout(this.#timer);
    await this.#transitions.catch(() => undefined);
    this.#held.release();
    this.#collection.clearUploads();
    this.#collection.secure?.[Symbol.dispose]();
    this.#settleEnded?.reject(goingDown());
  }

  /**
   * Takes a device into the cohort. Safe to repeat.
   *
   * @throws CoordinatorError WRONG_STATE when the round selects no more
   */
  join(member: Member): void {
    if (this.cohort.get(member.device.id) !== undefined) return;
    if (this.#progress.state !== "selecting") {
      throw new CoordinatorError("WRONG_STATE", "the round's cohort is complete; check in again for the next one");
    }
    this.cohort.add(member);
    this.#send({ type: "answered", nowMs: this.#options.clock.now() });
  }

  /** A device gives its place back, or is not to be counted any more. Its update, once in the sum, stays there. */
  leave(device: Device): void {
    const member = this.cohort.get(device.id);
    if (member === undefined || member.state === "left") return;
    const isAwaited = this.#awaits(member);
    this.#collection.secure?.leave(device);
    if (member.state === "submitted") {
      if (isAwaited) this.#send({ type: "left", nowMs: this.#options.clock.now() });
      return;
    }
    this.#collection.drop(device);
    if (this.#progress.state === "selecting") {
      this.cohort.remove(device.id);
      this.#progress = { ...this.#progress, answered: this.#progress.answered - 1 };
      return;
    }
    member.state = "left";
    if (isAwaited) this.#send({ type: "left", nowMs: this.#options.clock.now() });
  }

  /** Whether the present state waits for an answer of this member's. */
  #awaits({ device, state }: Member): boolean {
    const step = SECURE_STEPS.find((name) => name === this.#progress.state);
    const { secure } = this.#collection;
    if (secure === undefined || step === undefined) return state === "joined";
    return secure.expects(device, step);
  }

  /** Fewer devices can come than the selection goal foresaw: those that are there are enough to go on. */
  expectAtMost(devices: number): void {
    this.#available = devices;
    if (this.#progress.state !== "selecting" || devices >= this.#progress.expected) return;
    this.#progress = { ...this.#progress, expected: devices };
    this.#send({ type: "tick", nowMs: this.#options.clock.now() });
  }

  /**
   * Gives a device one of the places for uploads, when there is one within `waitMs`.
   *
   * @returns where its upload begins, or goes on; its size when it is done
   * @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE, OUT_OF_RANGE, BUSY
   */
  reservePlace(device: Device, totalBytes: number, waitMs: number, signal: AbortSignal): Promise<number> {
    return this.#collection.reservePlace(device, totalBytes, waitMs, signal);
  }

  /** @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE, OUT_OF_RANGE, BAD_DIGEST, CONFLICT, BUSY */
  placeChunk(device: Device, chunk: Chunk): number {
    return this.#collection.placeChunk(device, chunk);
  }

  /**
   * Adds a device's update to the sum, once.
   *
   * @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE, INCOMPLETE_UPLOAD, BAD_DIGEST, CONFLICT, WRONG_LENGTH,
   * NORM_EXCEEDED, NON_FINITE; the sum is then as it was
   */
  submit(device: Device, submission: Submission): void {
    if (this.#collection.submit(device, submission)) this.#send({ type: "answered", nowMs: this.#options.clock.now() });
  }

  /**
   * Takes a device's message of a step of secure aggregation; safe to repeat, also when the round has gone on.
   *
   * @param take gives the message to the device's group
   * @returns the group, which says what the device is to be told
   * @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE, RETRY, BAD_SIGNATURE, CONFLICT, WRONG_LENGTH, BAD_REQUEST
   */
  async takeStep(
    device: Device,
    step: Exclude<SecureStep, "masked">,
    take: (group: SecureGroup) => Promise<Receipt> | Receipt,
  ): Promise<SecureGroup> {
    const group = this.groupOf(device);
    if (this.#progress.state !== step) {
      if (this.#collection.secure?.hasAnswered(device, step) === true) return group;
      // The others' shares sufficed, and the round went on while these were under way: nobody needs them.
      if (step === "unmask" && isSpent(this.#progress.state)) return group;
      throw new CoordinatorError(
        "WRONG_STATE",
        `expected an answer to the round's state ${this.#progress.state}, came one to ${step}`,
      );
    }
    const receipt = await takeSecurely(() => take(group));
    // The step may have ended meanwhile; then the answer was counted with it.
    if (receipt === "accepted" && this.#progress.state === step) {
      this.#send({ type: "answered", nowMs: this.#options.clock.now() });
    }
    if (step === "unmask" && this.#collection.secure?.isSufficient === true) {
      this.#send({ type: "sufficient", nowMs: this.#options.clock.now() });
    }
    return group;
  }

  /**
   * Waits until the round goes on, for up to `ms`: the answer to a call may be there then.
   *
   * @throws the signal's reason when it is aborted meanwhile
   */
  async untilNextState(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isStopped && !hasEnded(this.#progress.state)) await this.#held.wait(ms, signal);
  }

  /** @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE without secure aggregation, RETRY before it begins */
  groupOf(device: Device): SecureGroup {
    return this.#collection.groupOf(device);
  }

  /** Feeds the machine; what follows from it is done in order, after all that is under way. */
  #send(message: RoundMessage): void {
    if (this.#isStopped) return;
    const { progress, effects } = stepRound(this.#progress, message);
    this.#progress = progress;
    if (effects.length === 0) return;
    clearTimeout(this.#timer);
    for (const effect of effects) this.#run(() => this.#perform(effect));
  }

  #run(transition: () => Promise<void>): void {
    this.#transitions = this.#transitions.then(transition).catch((cause) => {
      clearTimeout(this.#timer);
      this.#settleEnded?.reject(cause);
      throw cause;
    });
    this.#transitions.catch(() => undefined);
  }

  async #perform(effect: RoundEffect): Promise<void> {
    if (effect.type === "abandon") {
      this.#reason = effect.reason;
      await this.#options.work.abandon(effect.reason);
      this.#options.onNotice?.(this.notice);
      return this.#end();
    }
    await this.#enter(effect.state);
  }

  /** Enters a state durably, then does its work; states that wait for devices only arm their deadline. */
  async #enter(state: RoundState): Promise<void> {
    const { work, hub } = this.#options;
    if (!(await this.#endStep(state))) return;
    if (state === "reserved") {
      if (!(await this.#reserve())) return;
    } else if (state === "configured") await work.configure([...this.cohort.all()]);
    else if (state === "aggregated") await this.#aggregate();
    else if (state === "debited") await work.debit();
    else if (state === "released") await work.release();
    else if (state === "closed") await work.close();
    else {
      this.#collection.enter(state);
      await work.enter(state, this.#progress.deadlineMs);
    }
    this.#options.onNotice?.({ ...this.notice, state });
    if (state === "closed") return this.#end();
    if (this.#progress.state !== state) return;
    if (waitsForDevices(state)) {
      this.#arm();
      if (state === "selecting") this.expectAtMost(this.#available);
      hub.publish(this.notice);
      this.#held.release();
      this.#collection.release();
      // Who left while the coordinator worked alone may have been one too many.
      this.#send({ type: "tick", nowMs: this.#options.clock.now() });
    } else this.#done();
  }

  async #reserve(): Promise<boolean> {
    try {
      await this.#options.work.reserve();
      return true;
    } catch (cause) {
      if (cause instanceof CoordinatorError && cause.code === "BUDGET_EXCEEDED") {
        this.abandon("BUDGET_EXCEEDED");
        return false;
      }
      throw cause;
    }
  }

  /** Ends the step of secure aggregation that comes before a state. @returns whether the round goes on */
  async #endStep(entered: RoundState): Promise<boolean> {
    const ended = await this.#collection.endStep(entered);
    if (ended === undefined) return true;
    if (ended.members < this.#progress.rules.minimum) {
      this.#send({ type: "failed", reason: ended.isBroken ? "UNMASK_FAILED" : MISSING[ended.step] });
      return false;
    }
    this.#send({ type: "expected", expected: ended.expected, nowMs: this.#options.clock.now() });
    return true;
  }

  async #aggregate(): Promise<void> {
    this.#collection.clearUploads();
    await this.#options.work.aggregate(this.#collection.collected(), this.cohort.submitted());
    this.#collection.forget();
  }

  #done(): void {
    this.#send({ type: "done", nowMs: this.#options.clock.now() });
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#collection.clearUploads();
    this.#collection.forget();
    this.#options.hub.publish(this.notice);
    this.#held.release();
    this.#settleEnded?.resolve(this.notice);
  }

  #arm(): void {
    const { deadlineMs } = this.#progress;
    clearTimeout(this.#timer);
    // A transition may have been under way when this was stopped.
    if (deadlineMs === null || this.#isStopped) return;
    const wait = Math.max(deadlineMs - this.#options.clock.now(), 0);
    this.#timer = setTimeout(() => {
      this.#send({ type: "tick", nowMs: Math.max(this.#options.clock.now(), deadlineMs) });
    }, wait);
  }

  /** Whether the noised sum exists: a withdrawal then takes effect with the next round. */
  get isSpent(): boolean {
    return isSpent(this.#progress.state);
  }
}
