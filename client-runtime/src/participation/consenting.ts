// Asking the participant, and putting the answer into the log under the participant's own signature.
import {
  buildConsentEntry,
  type ConsentRecord,
  decodeBase64Url,
  type Entry,
  type EntryReader,
  encodeBase64Url,
  entryLeafHash,
  equalBytes,
  formatStoredProof,
  type PayloadPlace,
  readConsentEntry,
  readPolicyEntry,
  type Signer,
  verifyEntrySignature,
} from "@fedloop/consent";
import type { RandomSource } from "@fedloop/privacy";
import { Consent, type LogReceipt } from "@fedloop/proto";
import { ClientError } from "../errors.js";
import { type LoggedEntry, openReceipt } from "../guard/receipt.js";
import type { Sha256 } from "../hashing/sha256.js";
import type { DeviceState, KnownPolicy, OwnConsent, StateKeeper } from "../identity/device-state.js";
import type { LogView } from "../identity/log-view.js";
import { loaded } from "../loading.js";
import type { CoordinatorClient } from "../transport/coordinator-client.js";
import type { ConsentTerms, Decision, Notice } from "./consent-terms.js";
import type { PersonalPayload } from "./personal-payload.js";

export interface ConsentingDependencies {
  readonly client: CoordinatorClient;
  readonly keeper: StateKeeper;
  readonly log: LogView;
  readonly signer: Signer;
  readonly random: RandomSource;
  readonly sha256: Sha256;
  readonly terms: ConsentTerms;
  /** The operator's key as the app pinned it, if it did. */
  readonly operatorKey: Uint8Array | undefined;
}

/** Consent entries of one participant, made one after the other. */
export class Consenting {
  readonly #dependencies: ConsentingDependencies;
  #last: Promise<unknown> = Promise.resolve();

  constructor(dependencies: ConsentingDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Fetches the notice in force and verifies that it is the one that the log's policy names.
   *
   * @throws ClientError BAD_RECEIPT, LOG_MISMATCH, GUARD_FORK, and those of the call
   */
  async notice(signal?: AbortSignal): Promise<Notice> {
    const { client, keeper, log, sha256 } = this.#dependencies;
    const { population } = keeper.current;
    const answer = await client.open(Consent.method.getNotice, { population }, signal);
    const { entry, checkpoint } = await this.#openReceipt(answer.policy, readPolicyEntry);
    if (entry.body.population !== population) {
      throw new ClientError("BAD_RECEIPT", `expected the policy of ${population} with its notice, came another`);
    }
    const policy = entry.body;
    const pinned = this.#pinnedOperatorKey();
    if (pinned !== undefined && pinned !== policy.operatorKey) {
      throw new ClientError("LOG_MISMATCH", "expected a policy of the operator that is pinned, came one of another");
    }
    if (!(await verifyEntrySignature(entry, decodeBase64Url(policy.operatorKey), log.verifier))) {
      throw new ClientError("BAD_RECEIPT", "expected a policy signed by the operator, the signature does not verify");
    }
    if (encodeBase64Url(sha256.digest(answer.notice)) !== policy.notice) {
      throw new ClientError(
        "BAD_RECEIPT",
        "expected the notice that the policy names, came other bytes; do not show them",
      );
    }
    await log.advance(checkpoint, signal);
    const known: KnownPolicy = {
      version: policy.policy,
      purposes: policy.purposes,
      controller: policy.controller,
      notice: { uri: policy.noticeUri, sha256: policy.notice, language: policy.language },
      limits: policy.limits,
      operatorKey: policy.operatorKey,
    };
    await keeper.change({ policy: known });
    return {
      population,
      bytes: answer.notice,
      mediaType: answer.mediaType,
      uri: policy.noticeUri,
      language: policy.language,
      controller: policy.controller,
      policy: policy.policy,
      limits: policy.limits,
    };
  }

  /** Asks about each purpose that has no answer under the policy in force, and records the answers. */
  async askWhereOpen(signal?: AbortSignal): Promise<void> {
    const { keeper, terms } = this.#dependencies;
    await this.resend(signal);
    const notice = await this.notice(signal);
    for (const purpose of terms.purposes) {
      const known = ownConsent(keeper.current, purpose);
      if (known?.policy === notice.policy) continue;
      await this.ask(notice, purpose, signal);
    }
  }

  /** Asks about one purpose and records the answer. */
  async ask(notice: Notice, purpose: string, signal?: AbortSignal): Promise<void> {
    const { keeper, terms } = this.#dependencies;
    if (keeper.current.policy?.purposes.includes(purpose) !== true) {
      throw new ClientError("BAD_OPTION", `expected a purpose of policy ${notice.policy}, came "${purpose}"`);
    }
    const answer = await terms.decide(notice, purpose);
    const decision: Decision = typeof answer === "boolean" ? { given: answer } : answer;
    if (decision.given) this.#requireStanding(decision);
    await this.#record(purpose, decision.given ? "given" : "refused", decision, signal);
  }

  /** Withdraws consent to one purpose. When the coordinator cannot be reached the entry is kept and sent later. */
  withdraw(purpose: string, signal?: AbortSignal): Promise<void> {
    return this.#record(purpose, "withdrawn", { given: false }, signal);
  }

  /**
   * Builds withdrawals from purposes and hands them over all at once; a participant whose log knows more than its device
   * learns it, and builds them again.
   */
  withdrawing<T>(
    purposes: readonly string[],
    send: (entries: Uint8Array[]) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#inOrder(async () => {
      const before = this.#dependencies.keeper.current;
      const known = purposes.map((purpose) => ownConsent(before, purpose)?.leafHash ?? null);
      try {
        return await send(await this.#buildWithdrawals(purposes, known));
      } catch (cause) {
        if (!isRefusal(cause) || !isBehind(cause)) throw cause;
        await this.#dependencies.keeper.change({ chain: before.chain, consents: before.consents });
        const latest: (string | null)[] = [];
        for (const purpose of purposes) latest.push(await this.#catchUp(purpose, signal));
        return send(await this.#buildWithdrawals(purposes, latest));
      }
    });
  }

  async #buildWithdrawals(purposes: readonly string[], supersedes: readonly (string | null)[]): Promise<Uint8Array[]> {
    const entries: Uint8Array[] = [];
    for (const [at, purpose] of purposes.entries())
      entries.push(await this.#build(purpose, "withdrawn", { given: false }, supersedes[at] ?? null));
    return entries;
  }

  /** Sends entries again whose receipt never came. */
  async resend(signal?: AbortSignal): Promise<void> {
    for (const [purpose, consent] of Object.entries(this.#dependencies.keeper.current.consents)) {
      if (consent.index === null)
        await this.#inOrder(() => this.#send(purpose, decodeBase64Url(consent.entry), signal));
    }
  }

  #record(
    purpose: string,
    state: OwnConsent["state"],
    decision: Decision,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return this.#inOrder(async () => {
      const before = this.#dependencies.keeper.current;
      const entry = await this.#build(purpose, state, decision, ownConsent(before, purpose)?.leafHash ?? null);
      try {
        await this.#send(purpose, entry, signal);
      } catch (cause) {
        if (!isRefusal(cause)) throw cause;
        // A withdrawal holds on this device whatever the coordinator says to it; it is sent again later.
        if (state === "withdrawn" && !isBehind(cause)) throw cause;
        await this.#dependencies.keeper.change({ chain: before.chain, consents: before.consents });
        // A device that lost its store begins anew, while the log remembers what it said before.
        if (!isBehind(cause)) throw cause;
        const supersedes = await this.#catchUp(purpose, signal);
        await this.#send(purpose, await this.#build(purpose, state, decision, supersedes), signal);
      }
    });
  }

  async #build(
    purpose: string,
    state: OwnConsent["state"],
    decision: Decision,
    supersedes: string | null,
  ): Promise<Uint8Array> {
    const { keeper, client, signer, terms } = this.#dependencies;
    const { current } = keeper;
    const { policy, chain } = current;
    if (policy === null)
      throw new ClientError("CONSENT_REFUSED", "expected a notice that was shown before it is answered");
    const time = Math.round(client.nowMs());
    const limits = {
      epsilon: decision.limits?.epsilon ?? null,
      delta: decision.limits?.delta ?? null,
      rounds: decision.limits?.rounds ?? null,
    };
    const validUntil = decision.validUntilMs ?? null;
    const id = this.#freshId();
    const type = `consent.${state}` as const;
    const place = { log: current.log.origin, type, id };
    const personal = state === "given" ? await this.#personal(place) : {};
    const conflictConfirmed = decision.conflictConfirmed ?? terms.signals?.conflictConfirmed;
    const record: ConsentRecord = {
      id: this.#freshId(),
      subject: current.subject,
      key: current.publicKey,
      population: current.population,
      purpose,
      controller: policy.controller,
      notice: policy.notice,
      policy: policy.version,
      basis: "consent",
      dataCategories: terms.dataCategories,
      specialCategory: terms.specialCategory ?? false,
      ...(terms.recipients === undefined ? {} : { recipients: terms.recipients }),
      storage: terms.storage,
      retention: terms.retention,
      jurisdiction: terms.jurisdiction,
      model: terms.model ?? "opt-in",
      withdrawal: terms.withdrawal,
      event: { time, validUntil, state, ...(decision.by === undefined ? {} : { actor: decision.by }) },
      interface: terms.interface,
      signals: {
        gpc: terms.signals?.gpc ?? false,
        ...(conflictConfirmed === undefined ? {} : { conflictConfirmed }),
      },
      ...(terms.ageBand === undefined ? {} : { ageBand: terms.ageBand }),
      ...(personal.guardian === undefined ? {} : { guardian: personal.guardian }),
      limits,
      supersedes,
    };
    const bytes = await buildConsentEntry(
      {
        ...place,
        ts: time,
        actor: current.subject,
        aseq: chain.next,
        aprev: chain.previous,
        body: { record },
        ...(personal.enc === undefined ? {} : { enc: personal.enc }),
      },
      signer,
    );
    const leafHash = entryLeafHash(readConsentEntry(bytes));
    const consent: OwnConsent = {
      state,
      policy: policy.version,
      index: null,
      leafHash,
      validUntil,
      limits,
      entry: encodeBase64Url(bytes),
    };
    // Kept before it is sent: a crash between the two sends the same entry again, and gets the first receipt.
    await keeper.change({
      chain: { next: chain.next + 1, previous: leafHash },
      consents: { ...current.consents, [purpose]: consent },
    });
    return bytes;
  }

  async #send(purpose: string, entry: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const { client, keeper, log } = this.#dependencies;
    const knownTreeSize = BigInt(keeper.current.checkpoint?.size ?? 0);
    const request = { entry, knownTreeSize };
    const { receipt, consistency } = await client.call(Consent.method.recordConsent, request, signal);
    if (receipt === undefined || !equalBytes(receipt.entry, entry)) {
      throw new ClientError("BAD_RECEIPT", "expected a receipt for the consent entry that was sent, came another");
    }
    const { index, leafHash, checkpoint } = await this.#openReceipt(receipt, readConsentEntry);
    await log.advance(checkpoint, signal, consistency);
    const { consents, receipts } = keeper.current;
    const consent = ownConsent(keeper.current, purpose);
    if (consent === undefined) return;
    await keeper.change({
      consents: { ...consents, [purpose]: { ...consent, index } },
      receipts: [
        ...receipts,
        {
          type: `consent.${consent.state}`,
          purpose,
          round: null,
          index,
          leafHash,
          timeMs: Math.round(client.nowMs()),
          proof: formatStoredProof({
            extra: entry,
            index,
            path: receipt.inclusionPath,
            checkpoint: receipt.checkpoint,
          }),
        },
      ],
    });
  }

  /** What of the terms goes encrypted beside the entry, and the commitment to the guardian that the record names. */
  async #personal(place: PayloadPlace): Promise<PersonalPayload> {
    const { terms, keeper, random } = this.#dependencies;
    if (terms.guardian === undefined && terms.personal === undefined) return {};
    const { subjectKey } = keeper.current;
    if (subjectKey === undefined) {
      throw new ClientError(
        "CONSENT_REFUSED",
        "expected the participant's key to encrypt personal data under, the coordinator has lost it; leave them out",
      );
    }
    const { personalPayload } = await loaded(() => import("./personal-payload.js"));
    return personalPayload(place, decodeBase64Url(subjectKey), terms, random);
  }

  /** What the log would refuse is not asked of it: a minor's own yes, or one against Global Privacy Control. */
  #requireStanding({ by, conflictConfirmed }: Decision): void {
    const { terms } = this.#dependencies;
    if (terms.ageBand === "minor" && (terms.guardian === undefined || by !== "guardian")) {
      throw new ClientError(
        "CONSENT_REFUSED",
        "expected a guardian's decision for a minor, with terms.guardian and decision.by; without one the answer is no",
      );
    }
    if (terms.signals?.gpc === true && (conflictConfirmed ?? terms.signals.conflictConfirmed) !== true) {
      throw new ClientError(
        "CONSENT_REFUSED",
        "expected the conflict with Global Privacy Control to be put to the participant and confirmed; without that the answer is no",
      );
    }
  }

  /** Learns from the log what this participant said before. @returns the leaf hash to supersede */
  async #catchUp(purpose: string, signal: AbortSignal | undefined): Promise<string | null> {
    const { client, keeper, log, signer } = this.#dependencies;
    const { population, subject } = keeper.current;
    const answer = await client.call(Consent.method.getConsent, { population, purpose }, signal);
    const next = Number(answer.nextActorSequence);
    await keeper.change({ chain: { next, previous: next === 0 ? null : encodeBase64Url(answer.previousLeafHash) } });
    if (answer.latest === undefined) return null;
    const { entry, leafHash, checkpoint } = await this.#openReceipt(answer.latest, readConsentEntry);
    const isOwn =
      entry.body.record.subject === subject &&
      (entry.type === "consent.expired" || (await verifyEntrySignature(entry, signer.publicKey, log.verifier)));
    if (!isOwn) throw new ClientError("BAD_RECEIPT", "expected this participant's own consent, came another entry");
    await log.advance(checkpoint, signal);
    return leafHash;
  }

  async #openReceipt<E extends Entry>(receipt: LogReceipt | undefined, read: EntryReader<E>): Promise<LoggedEntry<E>> {
    const { keeper, log } = this.#dependencies;
    if (receipt === undefined) throw new ClientError("BAD_RECEIPT", "expected a receipt, came none");
    try {
      return await openReceipt(receipt, keeper.current.log, log.verifier, read);
    } catch (cause) {
      throw new ClientError("BAD_RECEIPT", "expected proof that the due entry is in the log, it does not hold", {
        cause,
      });
    }
  }

  #pinnedOperatorKey(): string | undefined {
    const { operatorKey, keeper } = this.#dependencies;
    return operatorKey === undefined ? keeper.current.policy?.operatorKey : encodeBase64Url(operatorKey);
  }

  #freshId(): string {
    const bytes = new Uint8Array(16);
    this.#dependencies.random.fill(bytes);
    return encodeBase64Url(bytes);
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

/** The participant's latest decision about a purpose. */
export function ownConsent(state: Pick<DeviceState, "consents">, purpose: string): OwnConsent | undefined {
  return Object.hasOwn(state.consents, purpose) ? state.consents[purpose] : undefined;
}

/** The log knows more of this participant than its device. */
function isBehind({ remoteCode }: ClientError): boolean {
  return remoteCode === "CHAIN_BROKEN" || remoteCode === "WITHDRAWN_LATER";
}

/** The coordinator answered, and the answer is no: the entry is not in the log. */
function isRefusal(cause: unknown): cause is ClientError {
  return cause instanceof ClientError && cause.code === "REMOTE";
}
