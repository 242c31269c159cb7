// The work of a participant's tasks: each is started by the machine, one at a time, and answered with one message.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { decodeBase64Url, joinMessage, type Signer } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import type { DeviceCrypto, SecAggParameters } from "@fedloop/privacy/secagg";
import { type CheckInRequestSchema, type CheckInResponse, Rounds } from "@fedloop/proto";
import { stalenessWeight } from "../encoding/staleness.js";
import { ClientError, throwIfAborted } from "../errors.js";
import type { PrivacyFloors, TransferLimits } from "../guard/floors.js";
import type { VerifiedPlan } from "../guard/offer.js";
import type { Sha256 } from "../hashing/sha256.js";
import type { StateKeeper } from "../identity/device-state.js";
import type { LogView } from "../identity/log-view.js";
import { loaded } from "../loading.js";
import type { Clock } from "../scheduling/clock.js";
import type { HoldReason } from "../scheduling/conditions.js";
import type { TrainingGate } from "../scheduling/training-gate.js";
import type { LocalState, Trainer } from "../trainers/trainer.js";
import type { TransferContext } from "../transfer/download.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";
import { type RetryPolicy, uniform } from "../transport/retry.js";
import type { ParticipationEvent } from "./events.js";
import type { CheckInOutcome, ParticipationEffect, ParticipationMessage, SecureStep, Window } from "./phases.js";
import type { SecureSession } from "./secure-session.js";
import { outcomeOf } from "./translation.js";

/** What a participant takes part with. */
export interface ParticipationDependencies {
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
  /** What secure aggregation computes with; without it only rounds without are taken part in. */
  readonly secureAggregation: DeviceCrypto | undefined;
  /** Holds rounds up while the device is needed for something else. */
  readonly gate: () => Promise<TrainingGate | undefined>;
}

/** An effect that is answered by a message. */
export type TaskEffect = Extract<ParticipationEffect, { readonly task: number }>;

/** What the tasks ask of the run that they belong to. */
export interface TaskHost {
  /** Whether consent to the purpose stands at this moment. */
  isConsented(purpose: string): boolean;
  tell(event: ParticipationEvent): void;
}

/** What only a device needs that is offered a round, and then that takes part in one. */
const guard = () => loaded(() => import("../guard/index.js"));
const training = () => loaded(() => import("./training.js"));
const secureSession = () => loaded(() => import("./secure-session.js"));

/** An update as the trainer made it. */
interface PendingUpdate {
  readonly trained: Float32Array;
  /** SHA-256 of the model that it was trained on, base64url. */
  readonly model: string;
  /** The plan's trainer and settings, as JSON. */
  readonly trainer: string;
}

/** The tasks of one run. */
export class ParticipationTasks {
  readonly #dependencies: ParticipationDependencies;
  readonly #host: TaskHost;
  #session: SecureSession | undefined;
  /** Where the last round's model lay, for the next one's: large allocations are what a garbage collector is slow at. */
  #spare: Uint8Array | undefined;

  /** What was trained and has not been counted yet, in memory only: a later round may take it. */
  #pending: PendingUpdate | undefined;

  constructor(dependencies: ParticipationDependencies, host: TaskHost) {
    this.#dependencies = dependencies;
    this.#host = host;
  }

  /** Does a task's work and answers with the message that the machine waits for. */
  async answerTo(effect: TaskEffect, signal: AbortSignal): Promise<ParticipationMessage> {
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
        return this.#work(effect, signal);
      case "submit":
        return { type: "submitted", task, accepted: await this.#submit(effect.plan, effect.update, signal) };
      case "secure":
        await this.#secure(effect.plan, effect.step, signal);
        return { type: "secured", task, step: effect.step };
    }
  }

  /** Ends secure aggregation, whatever it has come to, and erases its secrets. */
  erase(): void {
    this.#session?.[Symbol.dispose]();
    this.#session = undefined;
  }

  /** Nothing that was trained before is used any more. */
  forget(): void {
    this.#pending?.trained.fill(0);
    this.#pending = undefined;
  }

  #rest({ afterMs, beforeMs }: Window, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#dependencies;
    return clock.wait(afterMs + uniform(random) * Math.max(beforeMs - afterMs, 0), signal);
  }

  /** Waits until the device may be used. */
  async #ready(signal: AbortSignal): Promise<void> {
    const hold = (reason: HoldReason): void =>
      this.#host.tell({ type: "waiting", reason, afterMs: 0, beforeMs: Number.POSITIVE_INFINITY });
    const gate = await this.#dependencies.gate();
    await gate?.opened(hold, signal);
  }

  async #checkIn(plan: VerifiedPlan | null, signal: AbortSignal): Promise<CheckInOutcome> {
    const { keeper, signer } = this.#dependencies;
    const { population, subject, checkpoint: known, log } = keeper.current;
    const request = { population, knownTreeSize: BigInt(known?.size ?? 0) };
    if (plan === null) {
      await this.#ready(signal);
      return outcomeOf(await this.#ask(request, signal), known);
    }
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
    // An offer may have come without a check-in, with a round's event.
    await this.#ready(signal);
    const { client, keeper, log, floors, limits, trainer } = this.#dependencies;
    const { verifyOffer } = await guard();
    const stale = {
      code: "STALE_OFFER",
      message: "the log has moved on since the offer was made",
      kind: "stale",
    } as const;
    if (keeper.current.checkpoint !== known) return { type: "failed", task, failure: stale };
    const nowMs = client.nowMs();
    const isAbleToAggregate = this.#dependencies.secureAggregation !== undefined;
    const isExampleLevel = trainer.isExampleLevel === true;
    const checks = {
      floors,
      limits,
      trainerId: trainer.id,
      answersQueries: trainer.answersQueries === true,
      isExampleLevel,
      verifier: log.verifier,
      nowMs,
      isAbleToAggregate,
    };
    const context = { state: keeper.current, ...checks };
    let verdict = await verifyOffer(offer, context);
    if (verdict.checkpoint !== null) {
      if (keeper.current.checkpoint !== known) return { type: "failed", task, failure: stale };
      await keeper.change({ checkpoint: verdict.checkpoint });
    }
    if (!verdict.ok && verdict.fork !== null) await log.keepEvidence(verdict.fork);
    if (!verdict.ok && verdict.code === "GUARD_BUDGET" && keeper.current.charges.some(({ settled }) => !settled)) {
      // Perhaps a round was counted that the log says was abandoned.
      const { settleCharges } = await loaded(() => import("./settlement.js"));
      await settleCharges({ client, keeper, log }, Number(offer.round), signal);
      const state = { ...keeper.current, checkpoint: known };
      verdict = await verifyOffer(offer, { ...context, state });
    }
    return { type: "verified", task, verdict };
  }

  async #work(
    { task: number, plan, model: came }: Extract<ParticipationEffect, { readonly type: "work" }>,
    signal: AbortSignal,
  ): Promise<ParticipationMessage> {
    const { random } = this.#dependencies;
    this.#requireConsent(plan);
    const { encodeUpdate, quantiseUpdate } = await training();
    const trained = this.#pendingFor(plan) ?? (await this.#trained(plan, came, signal));
    if (plan.secure === null) return { type: "encoded", task: number, update: encodeUpdate(trained, plan, random) };
    await this.#openSession(plan, plan.secure, quantiseUpdate(trained, plan, random));
    return { type: "prepared", task: number };
  }

  /** What was trained for an earlier round, at the weight that it has in this one; undefined where there is none. */
  #pendingFor(plan: VerifiedPlan): Float32Array | undefined {
    const pending = this.#pending;
    const { staleness, trainer, kind } = plan.body;
    if (pending === undefined || kind !== "train") return undefined;
    const weight = staleness === undefined ? undefined : stalenessWeight(staleness, pending.model);
    if (weight === undefined || JSON.stringify(trainer) !== pending.trainer) {
      this.forget();
      return undefined;
    }
    return pending.trained.map((value) => weight * value);
  }

  async #trained(plan: VerifiedPlan, came: Uint8Array | null, signal: AbortSignal): Promise<Float32Array> {
    const { trainer, localState, random } = this.#dependencies;
    const { modelFile, trainedUpdate } = await training();
    // Taken out while it is in use: a trainer that does not heed its end may still read in it when the next round begins.
    const spare = this.#spare;
    this.#spare = undefined;
    const file = await modelFile(this.#transfer(signal), plan, came, spare);
    this.#requireConsent(plan);
    const tell = (event: ParticipationEvent): void => this.#host.tell(event);
    const gate = await this.#dependencies.gate();
    const wasCounted = (round: number): Promise<boolean> => this.#wasCounted(round, signal);
    const context = { trainer, localState, wasCounted, random, gate, tell, signal };
    const trained = await trainedUpdate(plan, file, context);
    this.#spare = file;
    throwIfAborted(signal);
    const { body } = plan;
    if (body.staleness !== undefined && body.kind === "train") {
      const named = JSON.stringify(body.trainer);
      this.#pending = { trained: trained.slice(), model: body.model.sha256, trainer: named };
    }
    return trained;
  }

  /** Whether an update is in a round's result: accepted, and not of a round that the log says was abandoned. */
  async #wasCounted(round: number, signal: AbortSignal): Promise<boolean> {
    const { client, keeper, log } = this.#dependencies;
    if (keeper.current.charges.some((charge) => charge.round === round && !charge.settled)) {
      const { settleCharges } = await loaded(() => import("./settlement.js"));
      await settleCharges({ client, keeper, log }, round + 1, signal);
    }
    const { charges, receipts } = keeper.current;
    return (
      receipts.some((receipt) => receipt.type === "round" && receipt.round === round) &&
      charges.some((charge) => charge.round === round)
    );
  }

  async #openSession(plan: VerifiedPlan, parameters: SecAggParameters, values: Int32Array): Promise<void> {
    const { client, clock, signer, keeper, floors, secureAggregation: crypto } = this.#dependencies;
    if (crypto === undefined)
      throw new ClientError("GUARD_UNSUPPORTED", "expected cryptography for secure aggregation");
    this.erase();
    const { population } = keeper.current;
    const { round } = plan;
    const minimumMembers = floors.minimumCohort;
    const options = { client, clock, signer, crypto, population, round, parameters, minimumMembers, values };
    const { SecureSession } = await secureSession();
    this.#session = new SecureSession(options);
  }

  async #secure(plan: VerifiedPlan, step: SecureStep, signal: AbortSignal): Promise<void> {
    const session = this.#session;
    if (session === undefined) throw new ClientError("ABORTED", "secure aggregation has ended");
    // Up to its vector a device may leave without a trace; afterwards its shares serve the others.
    if (step === "keys" || step === "shares" || step === "masked") this.#requireConsent(plan);
    switch (step) {
      case "keys":
        return session.advertise(signal);
      case "shares":
        return session.dealShares(signal);
      case "masked": {
        const vector = await session.mask(signal);
        this.#host.tell({ type: "masked", round: plan.round, bytes: vector.length });
        if (await this.#submit(plan, vector, signal)) return;
        throw new ClientError("PROTOCOL", "expected the masked update to be accepted, it was not");
      }
      case "consistency":
        return session.confirm(signal);
      case "unmask":
        return session.unmask(signal);
    }
  }

  async #submit(plan: VerifiedPlan, update: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const { keeper, clock } = this.#dependencies;
    const { chargeFor } = await guard();
    const { submitUpdate } = await training();
    this.#requireConsent(plan);
    const { round } = plan;
    const { charges, population } = keeper.current;
    // Before the first byte leaves: whatever happens from here on, this round is not taken part in twice.
    await keeper.change({
      lastRound: round,
      charges: [...charges, chargeFor({ ...plan, unit: plan.body.privacy.unit })],
    });
    throwIfAborted(signal);
    const accepted = await submitUpdate(this.#transfer(signal), { population, round: BigInt(round), bytes: update });
    if (accepted) {
      if (plan.body.kind === "train") this.forget();
      const { purpose } = plan.body;
      const timeMs = Math.round(clock.now());
      const { receipts } = keeper.current;
      const { index, leafHash } = plan;
      const unit = plan.body.privacy.unit === "example" ? { unit: "example" as const } : {};
      await keeper.change({
        receipts: [...receipts, { type: "round", purpose, round, ...unit, index, leafHash, timeMs }],
      });
    }
    return accepted;
  }

  #transfer(signal: AbortSignal): TransferContext {
    const { client, sha256, clock, random, retry } = this.#dependencies;
    return { client, sha256, clock, random, retry, signal };
  }

  #requireConsent(plan: VerifiedPlan): void {
    if (this.#host.isConsented(plan.body.purpose)) return;
    throw new ClientError("GUARD_WITHDRAWN", `consent to "${plan.body.purpose}" is withdrawn`);
  }
}
