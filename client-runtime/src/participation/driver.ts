// Carries out what the participation machine decides: calls, waits, training, in the order in which it asks for them.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { decodeBase64Url, joinMessage, type Signer } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import {
  type CheckInRequestSchema,
  type CheckInResponse,
  type RoundEvent,
  Rounds,
  type Wait,
  WaitReason,
} from "@fedloop/proto";
import { encodeUpdate } from "../encoding/update.js";
import { asClientError, ClientError, throwIfAborted } from "../errors.js";
import { chargeFor } from "../guard/budget.js";
import type { PrivacyFloors, TransferLimits } from "../guard/floors.js";
import { isGuardCode, type VerifiedPlan, verifyOffer } from "../guard/offer.js";
import type { SeenCheckpoint } from "../guard/receipt.js";
import type { Sha256 } from "../hashing/sha256.js";
import type { StateKeeper } from "../identity/device-state.js";
import type { LogView } from "../identity/log-view.js";
import { readModel } from "../models/safetensors.js";
import type { Clock } from "../scheduling/clock.js";
import type { LocalState, Trainer, TrainingTask } from "../trainers/trainer.js";
import { downloadArtifact, type TransferContext } from "../transfer/download.js";
import { submitUpdate } from "../transfer/upload.js";
import { type CoordinatorClient, mayComeBack } from "../transport/coordinator-client.js";
import { type RetryPolicy, uniform } from "../transport/retry.js";
import { ownConsent } from "./consenting.js";
import type { ParticipationEvent, WaitingReason } from "./events.js";
import {
  type CheckInOutcome,
  type Failure,
  newParticipation,
  type Participation,
  type ParticipationEffect,
  type ParticipationMessage,
  type RoundNews,
  stepParticipation,
  type Window,
} from "./machine.js";
import { settleCharge, settleCharges } from "./settlement.js";
import { watchRounds } from "./watch.js";

export interface DriverDependencies {
  readonly client: CoordinatorClient;
  readonly keeper: StateKeeper;
  readonly log: LogView;
  readonly signer: Signer;
  readonly trainer: Trainer;
  readonly localState: LocalState;
  readonly floors: PrivacyFloors;
  readonly limits: TransferLimits;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly sha256: Sha256;
  readonly retry: RetryPolicy;
}

/** Progress of training is told in steps of this. */
const PROGRESS_STEP = 0.1;

/** One run of a participant, from its start until the coordinator, the app or the participant ends it. */
export class Driver {
  readonly #dependencies: DriverDependencies;
  readonly #run = new AbortController();
  readonly #mailbox: ParticipationMessage[] = [];
  readonly #events: ParticipationEvent[] = [];
  /** Purposes withdrawn in this run, from the moment of the participant's word on. */
  readonly #withdrawn = new Set<string>();
  #participation: Participation = newParticipation;
  #task = new AbortController();
  #isWatching = false;
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(dependencies: DriverDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Takes part. The events must be read for rounds to go on; leaving the loop ends the run and gives a place in a round
   * back.
   */
  async *events(signal: AbortSignal | undefined): AsyncGenerator<ParticipationEvent> {
    const stop = (): void => {
      this.#isOver = true;
      this.#run.abort(signal?.reason);
      this.#wake?.();
    };
    if (signal?.aborted === true) return;
    signal?.addEventListener("abort", stop, { once: true });
    this.#post({ type: "started" });
    try {
      while (!this.#isOver || this.#events.length > 0) {
        const event = this.#events.shift();
        if (event !== undefined) {
          yield event;
          continue;
        }
        const message = this.#mailbox.shift();
        if (message === undefined) await this.#mail();
        else this.#handle(message);
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#end();
    }
  }

  /** The participant has withdrawn; what runs for these purposes ends now. */
  withdraw(purposes: readonly string[]): void {
    for (const purpose of purposes) this.#withdrawn.add(purpose);
    const { phase } = this.#participation;
    if ("plan" in phase && this.#withdrawn.has(phase.plan.body.purpose)) this.#task.abort();
    const { consents } = this.#dependencies.keeper.current;
    const remaining = Object.keys(consents).filter((purpose) => this.#isConsented(purpose)).length;
    this.#post({ type: "withdrawn", purposes, remaining });
  }

  #isConsented(purpose: string): boolean {
    return !this.#withdrawn.has(purpose) && ownConsent(this.#dependencies.keeper.current, purpose)?.state === "given";
  }

  #post(message: ParticipationMessage): void {
    this.#mailbox.push(message);
    this.#wake?.();
  }

  #mail(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #handle(message: ParticipationMessage): void {
    const { participation, effects } = stepParticipation(this.#participation, message);
    this.#participation = participation;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ParticipationEffect): void {
    switch (effect.type) {
      case "rest":
      case "checkIn":
      case "verify":
      case "work":
      case "submit":
        this.#start(effect.task, (signal) => this.#answerTo(effect, signal));
        break;
      case "stop":
        this.#task.abort();
        break;
      case "watch":
        this.#watch();
        break;
      case "settle":
        this.#settle(effect.round);
        break;
      case "leave":
        this.#leave(effect.round, effect.reason);
        break;
      case "emit":
        this.#events.push(effect.event);
        break;
      case "fail": {
        const { code, message } = effect.failure;
        throw new ClientError(isGuardCode(code) ? code : "REMOTE", message, { remoteCode: code });
      }
      case "finish":
        this.#isOver = true;
        break;
    }
  }

  /** Does a task's work and answers with the message that the machine waits for. */
  async #answerTo(
    effect: Extract<ParticipationEffect, { readonly task: number }>,
    signal: AbortSignal,
  ): Promise<ParticipationMessage> {
    const { task } = effect;
    switch (effect.type) {
      case "rest":
        await this.#rest(effect.window, signal);
        return { type: "rested", task };
      case "checkIn":
        return { type: "checkedIn", task, outcome: await this.#checkIn(effect.join, signal) };
      case "verify":
        return this.#verify(effect, signal);
      case "work":
        return { type: "encoded", task, update: await this.#work(effect.plan, signal) };
      case "submit":
        return { type: "submitted", task, accepted: await this.#submit(effect.plan, effect.update, signal) };
    }
  }

  /** Starts a task in the place of the one before; its answer, or why there is none, comes as a message. */
  #start(task: number, work: (signal: AbortSignal) => Promise<ParticipationMessage>): void {
    this.#task.abort();
    const controller = new AbortController();
    this.#task = controller;
    const follow = (): void => controller.abort(this.#run.signal.reason);
    this.#run.signal.addEventListener("abort", follow, { once: true });
    work(controller.signal)
      .then(
        (message) => this.#post(message),
        (cause) => {
          if (!controller.signal.aborted) this.#post({ type: "failed", task, failure: failureOf(cause) });
        },
      )
      .finally(() => this.#run.signal.removeEventListener("abort", follow));
  }

  #rest({ afterMs, beforeMs }: Window, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#dependencies;
    return clock.wait(afterMs + uniform(random) * Math.max(beforeMs - afterMs, 0), signal);
  }

  async #checkIn(plan: VerifiedPlan | null, signal: AbortSignal): Promise<CheckInOutcome> {
    const { keeper, signer } = this.#dependencies;
    const { population, subject, checkpoint: known, log } = keeper.current;
    const request = { population, knownTreeSize: BigInt(known?.size ?? 0) };
    if (plan === null) return outcomeOf(await this.#ask(request, signal), known);
    this.#requireConsent(plan);
    const claim = { log: log.origin, plan: plan.leafHash, population, round: plan.round, subject };
    const signature = await signer.sign(joinMessage(claim));
    const join = { round: BigInt(plan.round), plan: decodeBase64Url(plan.leafHash), signature };
    return outcomeOf(await this.#ask({ ...request, join }, signal), known);
  }

  async #ask(request: MessageInitShape<typeof CheckInRequestSchema>, signal: AbortSignal): Promise<CheckInResponse> {
    const { client, log } = this.#dependencies;
    try {
      return await client.call(Rounds.method.checkIn, request, signal);
    } catch (cause) {
      // A log that is smaller than it was: get its signature under that, for evidence.
      if (cause instanceof ClientError && cause.remoteCode === "OUT_OF_RANGE") await log.compare(signal);
      throw cause;
    }
  }

  async #verify(
    { task, offer, known }: Extract<ParticipationEffect, { readonly type: "verify" }>,
    signal: AbortSignal,
  ): Promise<ParticipationMessage> {
    const { client, keeper, log, floors, limits, trainer } = this.#dependencies;
    const stale = {
      code: "STALE_OFFER",
      message: "the log has moved on since the offer was made",
      kind: "stale",
    } as const;
    if (keeper.current.checkpoint !== known) return { type: "failed", task, failure: stale };
    const nowMs = client.nowMs();
    const context = { state: keeper.current, floors, limits, trainerId: trainer.id, verifier: log.verifier, nowMs };
    let verdict = await verifyOffer(offer, context);
    if (verdict.checkpoint !== null) {
      if (keeper.current.checkpoint !== known) return { type: "failed", task, failure: stale };
      await keeper.change({ checkpoint: verdict.checkpoint });
    }
    if (!verdict.ok && verdict.evidence !== null) await log.keepEvidence(verdict.evidence);
    if (!verdict.ok && verdict.code === "GUARD_BUDGET" && keeper.current.charges.some(({ settled }) => !settled)) {
      // Perhaps a round was counted that the log says was abandoned.
      await settleCharges({ client, keeper, log }, Number(offer.round), signal);
      const state = { ...keeper.current, checkpoint: known };
      verdict = await verifyOffer(offer, { ...context, state });
    }
    return { type: "verified", task, verdict };
  }

  async #work(plan: VerifiedPlan, signal: AbortSignal): Promise<Uint8Array> {
    const { trainer, localState, random } = this.#dependencies;
    this.#requireConsent(plan);
    const { model, kind, purpose, trainer: named, update } = plan.body;
    const artifact = { sha256: decodeBase64Url(model.sha256), bytes: model.bytes };
    const { parameters, manifest } = readModel(
      await downloadArtifact(this.#transfer(signal), artifact),
      model.parameters,
    );
    this.#requireConsent(plan);
    let told = -1;
    const onProgress = (progress: number): void => {
      if (signal.aborted || (progress < told + PROGRESS_STEP && progress < 1) || progress <= told) return;
      told = progress;
      this.#events.push({ type: "training", round: plan.round, kind, purpose, progress });
      this.#wake?.();
    };
    onProgress(0);
    const task: TrainingTask = {
      parameters,
      manifest,
      settings: named.settings,
      updateLength: update.length,
      state: localState,
      signal,
      onProgress,
    };
    const trained = await train(trainer, kind, task);
    throwIfAborted(signal);
    return encodeUpdate(trained, plan, random);
  }

  async #submit(plan: VerifiedPlan, update: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const { keeper, clock } = this.#dependencies;
    this.#requireConsent(plan);
    const { round, index, leafHash, event } = plan;
    const { charges, population } = keeper.current;
    // Before the first byte leaves: whatever happens from here on, this round is not taken part in twice.
    await keeper.change({ lastRound: round, charges: [...charges, chargeFor(round, index, leafHash, event)] });
    throwIfAborted(signal);
    const accepted = await submitUpdate(this.#transfer(signal), { population, round: BigInt(round), bytes: update });
    if (accepted) {
      const { purpose } = plan.body;
      const timeMs = Math.round(clock.now());
      const { receipts } = keeper.current;
      await keeper.change({ receipts: [...receipts, { type: "round", purpose, round, index, leafHash, timeMs }] });
    }
    return accepted;
  }

  #transfer(signal: AbortSignal): TransferContext {
    const { client, sha256, clock, random, retry } = this.#dependencies;
    return { client, sha256, clock, random, retry, signal };
  }

  #requireConsent(plan: VerifiedPlan): void {
    if (this.#isConsented(plan.body.purpose)) return;
    throw new ClientError("GUARD_WITHDRAWN", `consent to "${plan.body.purpose}" is withdrawn`);
  }

  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { client, keeper, clock, random, retry } = this.#dependencies;
    const { population } = keeper.current;
    void watchRounds(
      { client, population, clock, random, retry },
      (event) => this.#post({ type: "news", news: newsOf(event) }),
      () => this.#post({ type: "watchResumed" }),
      this.#run.signal,
    );
  }

  #settle(round: number): void {
    // When the store fails here the charge just stays unsettled: the log is asked when it matters.
    settleCharge(this.#dependencies.keeper, round, false).catch(() => {});
  }

  /** A courtesy: the round need not wait for this device. Whether it arrives changes nothing here. */
  #leave(round: number, reason: string): void {
    const { client, keeper } = this.#dependencies;
    const { population } = keeper.current;
    client.call(Rounds.method.leave, { population, round: BigInt(round), reason }).catch(() => {});
  }

  #end(): void {
    const { phase } = this.#participation;
    if (phase.type === "joining" || phase.type === "joined" || phase.type === "working") {
      this.#leave(phase.plan.round, "ABORTED");
    }
    this.#run.abort();
    this.#mailbox.length = 0;
  }
}

async function train(trainer: Trainer, kind: "train" | "evaluate", task: TrainingTask): Promise<Float32Array> {
  try {
    return kind === "train" ? (await trainer.train(task)).update : await trainer.evaluate(task);
  } catch (cause) {
    if (task.signal.aborted) throw new ClientError("ABORTED", "training was aborted", { cause });
    throw asClientError(cause, "TRAINER_FAILED", "the app's trainer threw an error; see its cause");
  }
}

function windowOf(wait: Pick<Wait, "returnAfterMs" | "returnBeforeMs">): Window {
  return { afterMs: wait.returnAfterMs, beforeMs: Math.max(wait.returnBeforeMs, wait.returnAfterMs) };
}

function newsOf(event: RoundEvent): RoundNews {
  return {
    round: Number(event.round),
    state: event.state,
    reason: event.reason,
    next: event.next === undefined ? null : windowOf(event.next),
    isLast: event.next?.reason === WaitReason.FINISHED,
  };
}

const WAITING: { readonly [Reason in WaitReason]: WaitingReason | null } = {
  [WaitReason.UNSPECIFIED]: "no-round",
  [WaitReason.NO_ROUND]: "no-round",
  [WaitReason.FULL]: "cohort-full",
  [WaitReason.FINISHED]: null,
  [WaitReason.BUDGET]: "budget",
};

function outcomeOf({ outcome }: CheckInResponse, known: SeenCheckpoint | null): CheckInOutcome {
  switch (outcome.case) {
    case "wait": {
      const reason = WAITING[outcome.value.reason];
      return reason === null ? { type: "finished" } : { type: "wait", window: windowOf(outcome.value), reason };
    }
    case "offer":
      return { type: "offer", offer: outcome.value, known };
    case "joined": {
      const { round, state } = outcome.value;
      return { type: "joined", news: { round: Number(round), state, reason: "", next: null, isLast: false } };
    }
    default:
      throw new ClientError("PROTOCOL", "expected an answer to the check-in, came an empty one");
  }
}

/** Codes of the coordinator that say that the device came too late, or to the wrong round. */
const STALE: ReadonlySet<string> = new Set(["STALE_OFFER", "NOT_IN_ROUND", "WRONG_STATE"]);

/** Codes of this runtime that end a round without being anyone's refusal. */
const LOCAL: ReadonlySet<string> = new Set([
  "BACKEND",
  "ENCODING",
  "NON_FINITE",
  "STORE_FAILED",
  "TRAINER_FAILED",
  "WRONG_LENGTH",
]);

function failureOf(cause: unknown): Failure {
  const error = asClientError(cause, "PROTOCOL", "participation failed in an unexpected way");
  const { code, message, remoteCode } = error;
  if (error.code === "BAD_MODEL") return { code: "GUARD_MODEL", message, kind: "guard" };
  if (isGuardCode(code)) return { code, message, kind: "guard" };
  if (mayComeBack(error)) return { code, message, kind: "unreachable" };
  if (LOCAL.has(code)) return { code, message, kind: "local" };
  const told = remoteCode ?? code;
  if (STALE.has(told)) return { code: told, message, kind: "stale" };
  if (told === "NO_CONSENT") return { code: told, message, kind: "ineligible" };
  return { code: told, message, kind: told === "BUDGET_EXCEEDED" ? "budget" : "remote" };
}
