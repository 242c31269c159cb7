import {
  buildEntry,
  type ConsentRecord,
  type EntryBodies,
  encodeBase64Url,
  entryLeafHash,
  newEntryId,
  noteSigner,
  parseEntry,
} from "@fedloop/consent";
import { type NodeSigner, nodeSigner } from "@fedloop/consent/node";
import { Ledger, type LedgerOptions } from "../../src/ledger/ledger.js";
import type { Store } from "../../src/store/database.js";
import { consentRecord } from "./consent-record.js";

export const ORIGIN = "example.org/test-log";
export const POPULATION = "lecturers";
export const PURPOSE = "lecture-recommendations";
const NOTICE = encodeBase64Url(new Uint8Array(32).fill(9));

export const operator: NodeSigner = nodeSigner(new Uint8Array(32).fill(1));
export const logKey: NodeSigner = nodeSigner(new Uint8Array(32).fill(2));

/** A clock that a test moves. */
export interface ManualClock {
  ms: number;
  now(): number;
}

export function manualClock(ms = 1_700_000_000_000): ManualClock {
  return {
    ms,
    now() {
      return this.ms;
    },
  };
}

export function openLedger(store: Store, overrides: Partial<LedgerOptions> = {}): Promise<Ledger> {
  return Ledger.open({
    store,
    origin: ORIGIN,
    operatorSigner: operator,
    noteSigner: noteSigner(ORIGIN, logKey),
    clock: manualClock(),
    ...overrides,
  });
}

export function policyBody(policy = 1): EntryBodies["policy.publish"] {
  return {
    policy,
    population: POPULATION,
    controller: "Example University",
    notice: NOTICE,
    noticeUri: "https://example.org/notice",
    language: "en",
    purposes: [PURPOSE],
    limits: { epsilon: "4", delta: "0.00001" },
    unit: "participant",
    adjacency: "add-or-remove-one",
    accountant: "rdp",
    accountantVersion: "1",
    operatorKey: encodeBase64Url(operator.publicKey),
  };
}

/** A device that writes consent entries, each chained to the one before. */
export class TestDevice {
  readonly subject: string;
  readonly #signer: NodeSigner;
  #sequence = 0;
  #previous: string | null = null;

  constructor(number: number) {
    const seed = new Uint8Array(32).fill(3);
    new DataView(seed.buffer).setUint32(0, number);
    this.#signer = nodeSigner(seed);
    this.subject = encodeBase64Url(seed.subarray(0, 16));
  }

  async consent(state: "given" | "refused" | "withdrawn", changes: Partial<ConsentRecord> = {}): Promise<Uint8Array> {
    const entry = await this.draft(state, changes);
    this.#previous = entryLeafHash(parseEntry(entry));
    this.#sequence++;
    return entry;
  }

  /** The same without going on: the next entry will have the same place in the chain. */
  draft(state: "given" | "refused" | "withdrawn", changes: Partial<ConsentRecord> = {}): Promise<Uint8Array> {
    const key = encodeBase64Url(this.#signer.publicKey);
    const decided = { subject: this.subject, key, purpose: PURPOSE, state, timeMs: 1_700_000_000_000 };
    const record = consentRecord(policyBody(), { ...decided, supersedes: this.#previous }, changes);
    const draft = {
      log: ORIGIN,
      id: newEntryId(),
      ts: 1_700_000_000_000,
      actor: this.subject,
      aseq: this.#sequence,
      aprev: this.#previous,
      body: { record },
    };
    return buildEntry({ ...draft, type: `consent.${state}` }, this.#signer);
  }
}
