import { decodeBase64Url, encodeBase64Url, parseEpsilon, type SignatureVerifier, type Signer } from "@fedloop/consent";
import { type RandomSource, systemRandom } from "@fedloop/privacy";
import type { DeviceCrypto } from "@fedloop/privacy/secagg";
import { Enrollment, type EnrollResponse } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import { type BudgetReport, type Charge, spentEpsilon } from "../guard/budget.js";
import { completeFloors, completeLimits, type PrivacyFloors, type TransferLimits } from "../guard/floors.js";
import type { PinnedLog } from "../guard/receipt.js";
import { portableSha256, type Sha256 } from "../hashing/sha256.js";
import {
  type DeviceState,
  loadState,
  type OwnConsent,
  type OwnReceipt,
  StateKeeper,
} from "../identity/device-state.js";
import { LogView } from "../identity/log-view.js";
import { type Clock, systemClock } from "../scheduling/clock.js";
import type { DeviceStore } from "../store/device-store.js";
import type { LocalState, Trainer } from "../trainers/trainer.js";
import { CoordinatorClient } from "../transport/coordinator-client.js";
import { defaultRetryPolicy, type RetryPolicy } from "../transport/retry.js";
import type { Transport } from "../transport/transport.js";
import type { ConsentTerms } from "./consent-terms.js";
import { Consenting } from "./consenting.js";
import { Driver } from "./driver.js";
import type { ParticipationEvent } from "./events.js";

/** What an app gives to take part. Everything but the first seven has a default. */
export interface JoinOptions {
  readonly population: string;
  readonly transport: Transport;
  /** One for each participant. The same store and signer resume where an earlier run stopped. */
  readonly store: DeviceStore;
  readonly signer: Signer;
  readonly verifier: SignatureVerifier;
  readonly consent: ConsentTerms;
  readonly trainer: Trainer;
  /**
   * What secure aggregation computes with: `nodeDeviceCrypto` of `@fedloop/privacy/secagg/node`, or
   * `browserDeviceCrypto`. Without it the device refuses rounds with secure aggregation.
   */
  readonly secureAggregation?: DeviceCrypto;
  /** What every round must reach; the private choice where nothing is named. */
  readonly floors?: Partial<PrivacyFloors>;
  readonly limits?: Partial<TransferLimits>;
  /** What the app knows of the log beforehand; without it the first answer is pinned. */
  readonly trust?: { readonly log?: PinnedLog; readonly operatorKey?: Uint8Array };
  /** An invitation, where the population demands one. */
  readonly token?: string;
  readonly clock?: Clock;
  readonly random?: RandomSource;
  readonly sha256?: Sha256;
  readonly retry?: Partial<RetryPolicy>;
  /** For each attempt of a call. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

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
}

const TIMEOUT_MS = 30_000;

/** A participant of one population: consents, takes part in rounds, sees what it did, withdraws, leaves. */
export class Participant {
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
  #hasLeft = false;

  private constructor(
    options: JoinOptions,
    client: CoordinatorClient,
    keeper: StateKeeper,
    clock: Clock,
    random: RandomSource,
  ) {
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
    const { store, population, signer } = options;
    const signal = ownSignal(options.signal);
    const clock = options.clock ?? systemClock();
    const random = options.random ?? systemRandom();
    const publicKey = encodeBase64Url(signer.publicKey);
    const known = await loadState(store, population);
    if (known !== undefined && known.publicKey !== publicKey) {
      throw new ClientError(
        "BAD_OPTION",
        "expected the signer of the participant in this store, came another; use a store of its own",
      );
    }
    const pinned = options.trust?.log;
    if (known !== undefined && pinned !== undefined) requireLog(pinned, known.log);
    let keeper = known === undefined ? undefined : new StateKeeper(store, known);
    const client = new CoordinatorClient({
      transport: options.transport,
      population,
      signer,
      token: options.token ?? "",
      sha256: options.sha256 ?? portableSha256,
      clock,
      random,
      retry: { ...defaultRetryPolicy, ...options.retry },
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      session: known?.session,
      onEnrolled: async (answer) => {
        keeper ??= new StateKeeper(store, firstState(options, publicKey, answer));
        requireLog(pinned ?? keeper.current.log, logOf(answer));
        if (answer.subject !== keeper.current.subject) {
          throw new ClientError("LOG_MISMATCH", "expected the pseudonym that this key had before, came another");
        }
        await keeper.change({ session: sessionOf(answer) });
      },
    });
    if (keeper === undefined) await client.enroll(signal);
    if (keeper === undefined) throw new ClientError("NOT_ENROLLED", "expected an enrolment, there is none");
    const participant = new Participant(options, client, keeper, clock, random);
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
    const purposes = Object.entries(this.consents)
      .filter(([name, { state }]) => state === "given" && (purpose === undefined || name === purpose))
      .map(([name]) => name);
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

  /** What the participant has put into the log, or had counted into a sum, in order. */
  receipts(): readonly OwnReceipt[] {
    return this.#keeper.current.receipts;
  }

  /**
   * What taking part has cost so far.
   *
   * @param delta the policy's, or the floors' where that names none
   */
  budget(delta?: number): BudgetReport {
    const { charges, policy } = this.#keeper.current;
    const published = Number(policy?.limits.delta ?? 0);
    const at = delta ?? (published > 0 ? published : this.#floors.delta);
    return { epsilon: spentEpsilon(charges, at), delta: at, rounds: charges.length };
  }

  /** How much ε the policy allows the population; infinite when it is unbounded. */
  get publishedEpsilon(): number {
    return parseEpsilon(this.#keeper.current.policy?.limits.epsilon ?? "0");
  }

  /** The evidence of a forked log, if this device ever saw one: `verifyForkEvidence` of @fedloop/consent checks it. */
  forkEvidence(): Promise<string | undefined> {
    return this.#log.evidence();
  }

  /** Everything that the device holds about the participant. */
  async export(): Promise<ParticipantExport> {
    const { population, subject, publicKey, log, consents, receipts, charges } = this.#keeper.current;
    const prefix = this.#trainerPrefix();
    const localState: Record<string, string> = {};
    for (const key of await this.#options.store.keys(prefix)) {
      const bytes = await this.#options.store.get(key);
      if (bytes !== undefined) localState[key.slice(prefix.length)] = encodeBase64Url(bytes);
    }
    return { population, subject, publicKey, log, consents, receipts, charges, localState };
  }

  /** Withdraws from all purposes, ends the registration, and erases what the device holds about the participant. */
  async leave(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.withdraw(undefined, options);
    await this.#client.call(Enrollment.method.leave, {}, ownSignal(options.signal));
    this.#hasLeft = true;
    const { store, population } = this.#options;
    for (const key of await store.keys(`${population}/`)) await store.delete(key);
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

function logOf({ log }: EnrollResponse): PinnedLog {
  if (log === undefined) throw new ClientError("PROTOCOL", "expected the log's identity from Enroll, came none");
  return { origin: log.origin, verifierKey: log.verifierKey };
}

function sessionOf(answer: EnrollResponse): DeviceState["session"] {
  return { deviceId: encodeBase64Url(answer.deviceId), session: encodeBase64Url(answer.session) };
}

function requireLog(pinned: PinnedLog, came: PinnedLog): void {
  if (pinned.origin === came.origin && pinned.verifierKey === came.verifierKey) return;
  throw new ClientError(
    "LOG_MISMATCH",
    `expected the log ${pinned.origin} under its pinned key, came ${came.origin}; do not go on with this coordinator`,
  );
}

function firstState(options: JoinOptions, publicKey: string, answer: EnrollResponse): DeviceState {
  if (!/^[A-Za-z0-9_-]{22}$/.test(answer.subject) || decodeBase64Url(answer.subject).length !== 16) {
    throw new ClientError("PROTOCOL", "expected a pseudonym of 16 bytes from Enroll");
  }
  return {
    v: 1,
    population: options.population,
    publicKey,
    session: sessionOf(answer),
    subject: answer.subject,
    log: options.trust?.log ?? logOf(answer),
    policy: null,
    checkpoint: null,
    chain: { next: 0, previous: null },
    consents: {},
    lastRound: 0,
    charges: [],
    receipts: [],
  };
}
