import { encodeBase64Url, parseEpsilon } from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import { Enrollment } from "@fedloop/proto";
import { ClientError, isGuardCode } from "../errors.js";
import type { BudgetReport, Charge } from "../guard/budget.js";
import { completeFloors, completeLimits, type PrivacyFloors, type TransferLimits } from "../guard/floors.js";
import type { PinnedLog } from "../guard/receipt.js";
import { portableSha256 } from "../hashing/sha256.js";
import type { OwnConsent, OwnReceipt, StateKeeper } from "../identity/device-state.js";
import { type EnrolledDevice, enrolledDevice } from "../identity/enrolment.js";
import { LogView } from "../identity/log-view.js";
import { loaded } from "../loading.js";
import type { ReleasedModel } from "../models/released-model.js";
import type { Clock } from "../scheduling/clock.js";
import type { TrainingGate } from "../scheduling/training-gate.js";
import type { LocalState } from "../trainers/trainer.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";
import { defaultRetryPolicy } from "../transport/retry.js";
import type { AppParticipant, ExportOptions } from "./app-participant.js";
import { Consenting } from "./consenting.js";
import { Driver } from "./driver.js";
import type { ParticipationEvent } from "./events.js";
import type { JoinOptions } from "./join-options.js";
import type { CoordinatorExport, ErasureReceipt, SubjectRights } from "./subject-rights.js";

/** Everything that a device holds about its participant, as JSON. Byte strings are base64url. */
export interface ParticipantExport {
  readonly population: string;
  readonly subject: string;
  readonly publicKey: string;
  readonly log: PinnedLog;
  readonly consents: { readonly [purpose: string]: OwnConsent };
  readonly receipts: readonly OwnReceipt[];
  readonly charges: readonly Charge[];
  /** What trainers keep on the device. */
  readonly localState: { readonly [key: string]: string };
  /** What the coordinator holds, with its receipt; null where only the device was asked. */
  readonly coordinator: CoordinatorExport | null;
}

/** A participant of one population: consents, takes part in rounds, sees what it did, withdraws, leaves. */
export class Participant implements AppParticipant {
  readonly #options: JoinOptions;
  readonly #client: CoordinatorClient;
  readonly #keeper: StateKeeper;
  readonly #log: LogView;
  readonly #consenting: Consenting;
  readonly #floors: PrivacyFloors;
  readonly #limits: TransferLimits;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  #driver: Driver | undefined;
  #gate: TrainingGate | undefined;
  #hasLeft = false;

  private constructor(options: JoinOptions, { client, keeper, clock, random }: EnrolledDevice) {
    this.#options = options;
    this.#client = client;
    this.#keeper = keeper;
    this.#clock = clock;
    this.#random = random;
    this.#floors = completeFloors(options.floors ?? {});
    this.#limits = completeLimits(options.limits ?? {});
    this.#log = new LogView(client, keeper, options.store, options.verifier);
    this.#consenting = new Consenting({
      client,
      keeper,
      log: this.#log,
      signer: options.signer,
      random,
      sha256: options.sha256 ?? portableSha256,
      terms: options.consent,
      operatorKey: options.trust?.operatorKey,
    });
  }

  /**
   * Enrolls, shows the notice and asks for consent to each purpose that has no answer under the policy in force, and
   * puts the answers into the log. Safe to repeat: with the same store and signer it resumes.
   *
   * @throws ClientError BAD_OPTION, LOG_MISMATCH, BAD_RECEIPT, GUARD_FORK, STORE_CORRUPT, STORE_FAILED, and those of calls
   */
  static async join(options: JoinOptions): Promise<Participant> {
    completeFloors(options.floors ?? {});
    completeLimits(options.limits ?? {});
    const signal = ownSignal(options.signal);
    const participant = new Participant(options, await enrolledDevice(options, signal));
    await participant.#consenting.askWhereOpen(signal);
    return participant;
  }

  /** The pseudonym under which the ledger knows this participant: base64url of 16 bytes. */
  get subject(): string {
    return this.#keeper.current.subject;
  }

  /** The latest decision about each purpose. */
  get consents(): { readonly [purpose: string]: OwnConsent } {
    return this.#keeper.current.consents;
  }

  /** The log as it is pinned. */
  get log(): PinnedLog {
    return this.#keeper.current.log;
  }

  /**
   * Takes part in rounds until the population is done, the participant withdraws or the signal is aborted. Events must
   * be read for rounds to go on. One run at a time.
   *
   * @throws ClientError CONSENT_REFUSED when there is no consent to take part with; NOT_ENROLLED; REMOTE when the
   * coordinator refuses this participant for good
   */
  async *run(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<ParticipationEvent> {
    this.#requirePresent();
    if (this.#driver !== undefined)
      throw new ClientError("BAD_OPTION", "expected one run at a time, another is under way");
    if (!Object.values(this.consents).some(({ state }) => state === "given")) {
      throw new ClientError("CONSENT_REFUSED", "expected a consent in force, there is none; ask the participant again");
    }
    const { signer, trainer, sha256, retry } = this.#options;
    const driver = new Driver({
      client: this.#client,
      keeper: this.#keeper,
      log: this.#log,
      signer,
      trainer,
      localState: this.#localState(),
      floors: this.#floors,
      limits: this.#limits,
      secureAggregation: this.#options.secureAggregation,
      gate: () => this.#gateOf(),
      clock: this.#clock,
      random: this.#random,
      sha256: sha256 ?? portableSha256,
      retry: { ...defaultRetryPolicy, ...retry },
    });
    this.#driver = driver;
    try {
      yield* driver.events(ownSignal(options.signal));
    } finally {
      this.#driver = undefined;
    }
  }

  /**
   * Withdraws consent, to one purpose or to all. It holds on this device before this call has returned: a training
   * under way is aborted and nothing more is sent. The promise is done when the withdrawal is in the log.
   *
   * @throws ClientError UNAVAILABLE, REMOTE …: the withdrawal holds here all the same, and is sent with the next join
   */
  async withdraw(purpose?: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#requirePresent();
    const purposes = this.#given(purpose);
    this.#driver?.withdraw(purposes);
    const signal = ownSignal(options.signal);
    await this.#consenting.resend(signal);
    for (const name of purposes) await this.#consenting.withdraw(name, signal);
  }

  /** Asks about a purpose again, for example after a refusal, a withdrawal or an expiry, and records the answer. */
  async ask(purpose: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    this.#requirePresent();
    const signal = ownSignal(options.signal);
    const notice = await this.#consenting.notice(signal);
    await this.#consenting.ask(notice, purpose, signal);
  }

  /**
   * The model for the app to use: one that a round has released and that the log gives this device, live or a canary. It is
   * kept on the device, and given from there while the coordinator cannot be reached.
   *
   * @returns undefined while the log gives this device none
   * @throws ClientError GUARD_STAGE, which is also an event of a run under way, GUARD_MODEL, GUARD_TOO_LARGE, GUARD_FORK, BAD_RECEIPT, BAD_MODEL, and those of calls
   */
  async model(options: { readonly signal?: AbortSignal } = {}): Promise<ReleasedModel | undefined> {
    this.#requirePresent();
    const { ModelShelf } = await loaded(() => import("../models/released-model.js"));
    const { store, sha256 = portableSha256, retry } = this.#options;
    const shelf = new ModelShelf({
      transfer: {
        client: this.#client,
        sha256,
        clock: this.#clock,
        random: this.#random,
        retry: { ...defaultRetryPolicy, ...retry },
      },
      keeper: this.#keeper,
      log: this.#log,
      store,
      sha256,
      limits: this.#limits,
    });
    return shelf.newest(ownSignal(options.signal)).catch((cause: unknown) => {
      if (cause instanceof ClientError && isGuardCode(cause.code)) {
        this.#driver?.tell({ type: "model-refused", code: cause.code, message: cause.message });
      }
      throw cause;
    });
  }

  /** What the participant has put into the log, or had counted into a sum, in order. */
  receipts(): readonly OwnReceipt[] {
    return this.#keeper.current.receipts;
  }

  /**
   * What taking part has cost so far.
   *
   * @param delta the policy's, or the floors' where that names none
   */
  async budget(delta?: number): Promise<BudgetReport> {
    const { spentEpsilon, unitOf } = await loaded(() => import("../guard/index.js"));
    const { charges, policy } = this.#keeper.current;
    const published = Number(policy?.limits.delta ?? 0);
    const at = delta ?? (published > 0 ? published : this.#floors.delta);
    return { epsilon: spentEpsilon(charges, at), delta: at, rounds: charges.length, unit: unitOf(charges) };
  }

  /** How much ε the policy allows the population; infinite when it is unbounded. */
  get publishedEpsilon(): number {
    return parseEpsilon(this.#keeper.current.policy?.limits.epsilon ?? "0");
  }

  /** The evidence of a forked log, if this device ever saw one: `verifyForkEvidence` of @fedloop/consent checks it. */
  forkEvidence(): Promise<string | undefined> {
    return this.#log.evidence();
  }

  /**
   * Everything that the device and the coordinator hold about the participant. The coordinator's part comes with a receipt
   * that the operator signed, and that was checked.
   *
   * @throws ClientError BAD_RECEIPT, and those of the call
   */
  async export(options: ExportOptions = {}): Promise<ParticipantExport> {
    this.#requirePresent();
    const coordinator = options.local === true ? null : await (await this.#rights()).export(ownSignal(options.signal));
    const { population, subject, publicKey, log, consents, receipts, charges } = this.#keeper.current;
    const prefix = this.#trainerPrefix();
    const localState: Record<string, string> = {};
    for (const key of await this.#options.store.keys(prefix)) {
      const bytes = await this.#options.store.get(key);
      if (bytes !== undefined) localState[key.slice(prefix.length)] = encodeBase64Url(bytes);
    }
    return { population, subject, publicKey, log, consents, receipts, charges, localState, coordinator };
  }

  /**
   * Withdraws from all purposes and has the participant erased: the coordinator destroys the participant's key and all it
   * holds outside the log, then this device what it holds. The receipt proves that the log says so; it is all that is left.
   * Taking part again needs a fresh signer.
   *
   * @throws ClientError BAD_RECEIPT, and those of the call; the withdrawals then hold on this device all the same
   */
  async erase(options: { readonly signal?: AbortSignal } = {}): Promise<ErasureReceipt> {
    this.#requirePresent();
    const signal = ownSignal(options.signal);
    const purposes = this.#given();
    this.#driver?.withdraw(purposes);
    await this.#consenting.resend(signal);
    const rights = await this.#rights();
    const receipt = await rights.erase(purposes, signal);
    await this.#forget();
    return receipt;
  }

  /** Withdraws from all purposes, ends the registration, and erases what the device holds about the participant. */
  async leave(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.withdraw(undefined, options);
    await this.#client.call(Enrollment.method.leave, {}, ownSignal(options.signal));
    await this.#forget();
  }

  async #rights(): Promise<SubjectRights> {
    const { SubjectRights } = await loaded(() => import("./subject-rights.js"));
    return new SubjectRights({
      client: this.#client,
      keeper: this.#keeper,
      log: this.#log,
      consenting: this.#consenting,
    });
  }

  async #forget(): Promise<void> {
    this.#hasLeft = true;
    const { store, population } = this.#options;
    for (const key of await store.keys(`${population}/`)) await store.delete(key);
  }

  async #gateOf(): Promise<TrainingGate | undefined> {
    const { scheduling, population, store } = this.#options;
    if (scheduling === undefined) return undefined;
    const { conditions, limits } = scheduling;
    const { TrainingGate } = await loaded(() => import("../scheduling/training-gate.js"));
    this.#gate ??= new TrainingGate({ population, conditions, limits: limits ?? {}, store, clock: this.#clock });
    return this.#gate;
  }

  /** The purposes with a consent in force, or with one of them named. */
  #given(purpose?: string): string[] {
    return Object.entries(this.consents)
      .filter(([name, { state }]) => state === "given" && (purpose === undefined || name === purpose))
      .map(([name]) => name);
  }

  #requirePresent(): void {
    if (this.#hasLeft) throw new ClientError("NOT_ENROLLED", "expected a participant, this one has left; join again");
  }

  #trainerPrefix(): string {
    return `${this.#options.population}/trainer/${this.#options.trainer.id}/`;
  }

  #localState(): LocalState {
    const { store } = this.#options;
    const prefix = this.#trainerPrefix();
    return { get: (key) => store.get(prefix + key), put: (key, bytes) => store.put(prefix + key, bytes) };
  }
}

/** A signal that follows the app's: one app may give the same to thousands of participants, who all listen to it. */
function ownSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  return signal === undefined ? undefined : AbortSignal.any([signal]);
}
