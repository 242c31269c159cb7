import { createHash } from "node:crypto";
import { type Receipt, SecAggError } from "@fedloop/privacy/secagg";
import { CoordinatorError } from "../errors.js";
import type { Device } from "../registry/device.js";
import type { RoundKind } from "../store/database.js";
import type { StrategyFamily } from "../strategies/strategy.js";
import { type Collected, UpdateCollection, type UpdateFormat, UpdateSum, updateBytes } from "./aggregator.js";
import { Cohort, type Member } from "./cohort.js";
import type { EventHub } from "./event-hub.js";
import { HeldCalls } from "./held-calls.js";
import { type RoundEffect, type RoundMessage, type RoundProgress, stepRound, waitsForDevices } from "./machine.js";
import { SECURE_STEPS, type SecureGroup, type SecureStep } from "./secure-group.js";
import { asCoordinatorError, type SecureRound, type SecureStanding, takeSecurely } from "./secure-round.js";
import { type AbandonReason, hasEnded, isSpent, type RoundState } from "./states.js";
import type { UploadBuffers } from "./upload-buffers.js";
import { type Chunk, Uploads } from "./uploads.js";

/** What watchers of a population are told. */
export interface RoundNotice {
  readonly round: number;
  readonly kind: RoundKind;
  readonly state: RoundState;
  readonly deadlineMs: number | null;
  readonly reason: AbandonReason | null;
}

/** What the engine leaves to others: the durable record, the budget, the model. Each call is one transition. */
export interface RoundWork {
  /** Reserves the budget and logs the plan. @throws CoordinatorError BUDGET_EXCEEDED */
  reserve(): Promise<void>;
  configure(members: readonly Member[]): Promise<void>;
  /** A transition without work of its own. */
  enter(state: RoundState, deadlineMs: number | null): Promise<void>;
  aggregate(collected: Collected, submitted: readonly Member[]): Promise<void>;
  debit(): Promise<void>;
  release(): Promise<void>;
  close(): Promise<void>;
  abandon(reason: AbandonReason): Promise<void>;
}

export interface RoundEngineOptions {
  readonly round: number;
  readonly kind: RoundKind;
  readonly format: UpdateFormat;
  /** What the round's result is made of. Left out: the sum. */
  readonly family?: StrategyFamily | undefined;
  /** Where the round stands: just planned, or as found in the store after a restart. */
  readonly progress: RoundProgress;
  readonly work: RoundWork;
  readonly clock: { now(): number };
  readonly hub: EventHub<RoundNotice>;
  /** Told of every state that is durable, those included that watchers never see. */
  readonly onNotice?: ((notice: RoundNotice) => void) | undefined;
  /** Uploads of large updates held at a time. */
  readonly concurrentUploads: number;
  /** What uploads of the rounds before lay in; by default this round begins without. */
  readonly uploadBuffers?: UploadBuffers | undefined;
  /** Makes the round's secure aggregation, once its plan is in the log; null where the plan does without. */
  readonly secure: (() => SecureRound) | null;
}

/** What was missing when a step of secure aggregation ended with too few members. */
const MISSING: Readonly<Record<SecureStep, AbandonReason>> = {
  keys: "TOO_FEW_KEYS",
  shares: "TOO_FEW_SHARES",
  masked: "TOO_FEW_UPDATES",
  consistency: "TOO_FEW_SIGNATURES",
  unmask: "TOO_FEW_UNMASK_ANSWERS",
};

/** The step whose answers are all in when a state is entered. */
const ENDED_STEP: Partial<Record<RoundState, SecureStep>> = {
  shares: "keys",
  masked: "shares",
  consistency: "masked",
  unmask: "consistency",
  aggregated: "unmask",
};

/** An update as a device hands it in. */
export interface Submission {
  /** Empty when it was uploaded in chunks. */
  readonly inline: Uint8Array;
  readonly chunksSha256: Uint8Array;
}

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
  readonly #uploads: Uploads;
  readonly #held = new HeldCalls();
  #settleEnded: { resolve(notice: RoundNotice): void; reject(cause: unknown): void } | undefined;
  #progress: RoundProgress;
  #collecting: UpdateSum | UpdateCollection | undefined;
  #secure: SecureRound | undefined;
  #sum: Collected | undefined;
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
    this.#uploads = new Uploads(options.concurrentUploads, options.clock, options.uploadBuffers);
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
    clearTimeout(this.#timer);
    await this.#transitions.catch(() => undefined);
    this.#held.release();
    this.#uploads.clear();
    this.#secure?.[Symbol.dispose]();
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
    this.#secure?.leave(device);
    if (member.state === "submitted") {
      if (isAwaited) this.#send({ type: "left", nowMs: this.#options.clock.now() });
      return;
    }
    this.#uploads.drop(device.id);
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
    if (this.#secure === undefined || step === undefined) return state === "joined";
    return this.#secure.expects(device, step);
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
  async reservePlace(device: Device, totalBytes: number, waitMs: number, signal: AbortSignal): Promise<number> {
    const expected = updateBytes(this.#options.format);
    if (totalBytes !== expected) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected an upload of ${expected} bytes, came one of ${totalBytes}`);
    }
    const { clock } = this.#options;
    const untilMs = clock.now() + waitMs;
    for (let isLast = waitMs <= 0; ; ) {
      // The round may have gone on, or the device left it, while it waited.
      if (this.#member(device).state === "submitted") return expected;
      this.#requireCollecting();
      const next = this.#uploads.reserve(device.id, expected);
      if (next !== undefined) return next;
      if (isLast) throw this.#uploads.busy();
      isLast = !(await this.#uploads.untilFree(device.id, untilMs - clock.now(), signal));
    }
  }

  /** @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE, OUT_OF_RANGE, BAD_DIGEST, CONFLICT, BUSY */
  placeChunk(device: Device, chunk: Chunk): number {
    const member = this.#member(device);
    const expected = updateBytes(this.#options.format);
    if (member.state === "submitted") return expected;
    this.#requireCollecting();
    return this.#uploads.place(device.id, expected, chunk);
  }

  /**
   * Adds a device's update to the sum, once.
   *
   * @throws CoordinatorError NOT_IN_ROUND, WRONG_STATE, INCOMPLETE_UPLOAD, BAD_DIGEST, CONFLICT, WRONG_LENGTH,
   * NORM_EXCEEDED, NON_FINITE; the sum is then as it was
   */
  submit(device: Device, { inline, chunksSha256 }: Submission): void {
    const member = this.#member(device);
    // The signature of the request covers the digest alone.
    if (inline.length > 0 && !chunksDigest(inline).equals(chunksSha256)) {
      throw new CoordinatorError("BAD_DIGEST", "expected the update that the submission names, came another one");
    }
    const name = Buffer.from(chunksSha256).toString("base64url");
    if (member.state === "submitted") {
      if (member.submitted === name) return;
      throw new CoordinatorError("CONFLICT", "expected one update a round, this device's is in the sum already");
    }
    const add = this.#adder(device);
    if (inline.length > 0) add(inline);
    else this.#uploads.take(device.id, chunksSha256, add);
    member.state = "submitted";
    member.submitted = name;
    this.#send({ type: "answered", nowMs: this.#options.clock.now() });
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
      if (this.#secure?.hasAnswered(device, step) === true) return group;
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
    if (step === "unmask" && this.#secure?.isSufficient === true) {
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
    this.#member(device);
    if (this.#options.secure === null) {
      throw new CoordinatorError("WRONG_STATE", "expected a round with secure aggregation, this one collects without");
    }
    if (this.#secure === undefined) throw tooEarly();
    return this.#secure.groupOf(device);
  }

  #member(device: Device): Member {
    const member = this.cohort.get(device.id);
    if (member === undefined || member.state === "left") {
      throw new CoordinatorError("NOT_IN_ROUND", `expected a device of round ${this.round}'s cohort; check in first`);
    }
    return member;
  }

  /** @throws CoordinatorError WRONG_STATE, RETRY */
  #requireCollecting(): void {
    if (this.#isStopped) throw goingDown();
    const { state } = this.#progress;
    if (state === "configured" && this.#options.secure === null) throw tooEarly();
    if (state !== "masked") {
      throw new CoordinatorError("WRONG_STATE", `round ${this.round} takes no updates now, it is ${state}`);
    }
    if (this.#collecting === undefined && this.#secure === undefined) throw tooEarly();
  }

  /** What adds a device's update, whose bytes are its own only until it returns. */
  #adder(device: Device): (bytes: Uint8Array) => void {
    this.#requireCollecting();
    const sum = this.#collecting;
    if (sum !== undefined) return (bytes) => sum.add(bytes);
    const group = this.groupOf(device);
    return (bytes) => {
      try {
        group.add(device, bytes);
      } catch (cause) {
        throw asCoordinatorError(cause);
      }
    };
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
      if (state === "keys") this.#beginSecurely();
      else if (state === "masked" && this.#options.secure === null) {
        const { family, format } = this.#options;
        this.#collecting = family === "per-update" ? new UpdateCollection(format) : new UpdateSum(format);
      }
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
      this.#uploads.release();
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

  #beginSecurely(): void {
    this.#secure = this.#options.secure?.();
    const members = [...this.cohort.all()].filter(({ state }) => state === "joined");
    this.#secure?.begin(members);
  }

  /**
   * Ends the step of secure aggregation that comes before a state, in all groups; who is in none of them any more has
   * left the round.
   *
   * @returns whether the round goes on
   */
  async #endStep(entered: RoundState): Promise<boolean> {
    const step = ENDED_STEP[entered];
    const secure = this.#secure;
    if (secure === undefined || step === undefined) return true;
    const standing = step === "unmask" ? await this.#unmask(secure) : await secure.close(step);
    for (const member of this.cohort.all()) {
      if (!secure.includes(member.device)) member.state = "left";
    }
    if (standing.members < this.#progress.rules.minimum) {
      this.#send({ type: "failed", reason: standing.isBroken ? "UNMASK_FAILED" : MISSING[step] });
      return false;
    }
    this.#send({ type: "expected", expected: standing.expected, nowMs: this.#options.clock.now() });
    return true;
  }

  async #unmask(secure: SecureRound): Promise<SecureStanding> {
    try {
      const { collected, members, isInconsistent } = await secure.finish(this.#options.family === "group-sum");
      this.#sum = collected;
      for (const member of this.cohort.submitted()) member.maskKey = secure.maskKeyDigest(member.device) ?? null;
      return { members, expected: 0, isBroken: isInconsistent };
    } catch (cause) {
      if (!(cause instanceof SecAggError)) throw cause;
      return { members: 0, expected: 0, isBroken: true };
    }
  }

  async #aggregate(): Promise<void> {
    this.#uploads.clear();
    this.#sum ??= this.#collecting;
    if (this.#sum === undefined) throw new CoordinatorError("INTERNAL", "expected a collected sum before its release");
    await this.#options.work.aggregate(this.#sum, this.cohort.submitted());
    this.#forget();
  }

  #done(): void {
    this.#send({ type: "done", nowMs: this.#options.clock.now() });
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#uploads.clear();
    this.#forget();
    this.#options.hub.publish(this.notice);
    this.#held.release();
    this.#settleEnded?.resolve(this.notice);
  }

  #forget(): void {
    this.#sum = undefined;
    this.#collecting = undefined;
    this.#secure?.[Symbol.dispose]();
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

/** As a submission names an update of one chunk. */
function chunksDigest(chunk: Uint8Array): Buffer {
  const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
  return sha256(sha256(chunk));
}

function goingDown(): CoordinatorError {
  return new CoordinatorError("RETRY", "the coordinator is going down; come back", { retryAfterMs: 1_000 });
}

function tooEarly(): CoordinatorError {
  return new CoordinatorError("RETRY", "the round is about to collect", { retryAfterMs: 20 });
}
