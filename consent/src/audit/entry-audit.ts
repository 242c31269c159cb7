// One entry after the other: form, author, chain, and whether it may stand after those before it.
import { parseEntry } from "../entries/entry.js";
import { entryMessage } from "../entries/entry-bytes.js";
import { coordinatorActor, type Entry, isConsentEntry } from "../entries/entry-types.js";
import { bytesOf } from "../entries/scalars.js";
import { LedgerError, type LedgerErrorCode } from "../errors.js";
import { admitEntry, expectedKey } from "../records/admission.js";
import type { ConsentView } from "../records/view.js";
import type { FindingCode, FindingSink } from "./finding.js";
import type { SignatureQueue } from "./signature-queue.js";
import type { Trust } from "./trust.js";

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function admissionFinding(entry: Entry, code: LedgerErrorCode): FindingCode {
  if (code === "CHAIN_BROKEN") return "ACTOR_CHAIN";
  if (entry.type === "policy.publish") return "POLICY_INVALID";
  if (code === "WRONG_SUBJECT") return "CONSENT_SUBJECT";
  if (code === "STALE_POLICY") return "CONSENT_POLICY";
  return code === "WITHDRAWN_LATER" ? "CONSENT_SUPERSEDED" : "CONSENT_INVALID";
}

/** Checks entries in index order and keeps the consent view up to date. */
export class EntryAudit {
  readonly #log: string;
  readonly #view: ConsentView;
  readonly #signatures: SignatureQueue;
  readonly #sink: FindingSink;
  readonly #trust: Trust;
  readonly #ids = new Set<string>();
  readonly #nonces = new Set<string>();
  #coordinatorTime: number | undefined;

  constructor(log: string, view: ConsentView, signatures: SignatureQueue, sink: FindingSink, trust: Trust) {
    this.#log = log;
    this.#view = view;
    this.#signatures = signatures;
    this.#sink = sink;
    this.#trust = trust;
  }

  /** Reads and checks the next entry; undefined when it cannot be read. The view does not hold it yet. */
  take(index: number, bytes: Uint8Array): Entry | undefined {
    let entry: Entry;
    try {
      entry = parseEntry(bytes);
    } catch (error) {
      this.#sink.entry("ENTRY_MALFORMED", index, messageOf(error));
      return undefined;
    }
    if (entry.log !== this.#log)
      this.#sink.entry("ENTRY_LOG", index, `The entry was made for ${entry.log}, the bundle is of ${this.#log}.`);
    if (this.#ids.has(entry.id)) this.#sink.entry("ENTRY_ID_REPEATED", index, `The id ${entry.id} was used before.`);
    this.#ids.add(entry.id);
    if (index === 0) this.#checkStart(entry);
    this.#checkPayload(index, entry);
    this.#checkClock(index, entry);
    this.#checkSignature(index, entry);
    this.#checkAdmission(index, entry);
    return entry;
  }

  #checkStart(entry: Entry): void {
    if (entry.type !== "policy.publish") {
      this.#sink.entry("LOG_START", 0, `The first entry is a ${entry.type}; it must be a policy.publish.`);
      return;
    }
    const { operatorKey } = this.#trust;
    if (operatorKey !== undefined && operatorKey !== entry.body.operatorKey)
      this.#sink.entry("TRUST_MISMATCH", 0, "The log's operator key is not the trusted one.");
  }

  /** Every sealed text begins with its nonce: 24 bytes, 32 characters. */
  #checkPayload(index: number, { enc }: Entry): void {
    if (enc === undefined) return;
    for (const sealed of [enc.key, enc.ciphertext]) {
      const nonce = sealed.slice(0, 32);
      if (this.#nonces.has(nonce))
        this.#sink.entry("CIPHERTEXT_REUSED", index, "The payload, or its nonce, stands in an earlier entry too.");
      this.#nonces.add(nonce);
    }
  }

  #checkClock(index: number, entry: Entry): void {
    if (entry.actor !== coordinatorActor) return;
    const before = this.#coordinatorTime;
    this.#coordinatorTime = entry.ts;
    if (before === undefined) return;
    if (entry.ts < before)
      this.#sink.entry("CLOCK_BACKWARDS", index, `The entry is stamped ${before - entry.ts} ms before the last one.`);
    const { maximumSilenceMs } = this.#trust;
    if (maximumSilenceMs !== undefined && entry.ts - before > maximumSilenceMs)
      this.#sink.entry("HEARTBEAT_GAP", index, `The coordinator was silent for ${entry.ts - before} ms before this.`);
  }

  #checkSignature(index: number, entry: Entry): void {
    let key: string;
    try {
      key = expectedKey(this.#view, entry);
    } catch (error) {
      this.#sink.entry("ENTRY_KEY", index, messageOf(error));
      return;
    }
    this.#signatures.check(bytesOf(key, 32), entryMessage(entry), bytesOf(entry.sig, 64), () =>
      this.#sink.entry("ENTRY_SIGNATURE", index, `The signature of ${entry.actor} does not verify.`),
    );
  }

  #checkAdmission(index: number, entry: Entry): void {
    const subject = isConsentEntry(entry) ? entry.body.record.subject : entry.actor;
    if (this.#view.isErased(subject)) {
      this.#sink.entry("ERASED_SUBJECT", index, `${subject} was erased before.`);
      return;
    }
    try {
      admitEntry(this.#view, entry);
    } catch (error) {
      const code = error instanceof LedgerError ? error.code : "BAD_ENTRY";
      this.#sink.entry(admissionFinding(entry, code), index, messageOf(error));
    }
  }
}
