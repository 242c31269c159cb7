// The types of entries, and the body that belongs to each.
import type { ConsentRecord } from "../records/record.js";
import type { EncryptedPayload } from "../vault/payload.js";
import type { ModelStage } from "./model-stage.js";
import type { Erasure, Heartbeat, KeyRotate } from "./operations.js";
import type { PolicyPublish } from "./policy-publish.js";
import type { AnalyticsRelease, BudgetDebit, ModelRelease } from "./release.js";
import type { RoundClose } from "./round-close.js";
import type { RoundPlan } from "./round-plan.js";

/** Body of every consent entry. */
export interface ConsentBody {
  readonly record: ConsentRecord;
}

/** The body that belongs to each type of entry. */
export interface EntryBodies {
  readonly "policy.publish": PolicyPublish;
  readonly "consent.given": ConsentBody;
  readonly "consent.refused": ConsentBody;
  readonly "consent.withdrawn": ConsentBody;
  readonly "consent.reaffirmed": ConsentBody;
  readonly "consent.expired": ConsentBody;
  readonly "round.plan": RoundPlan;
  readonly "round.close": RoundClose;
  readonly "budget.debit": BudgetDebit;
  readonly "model.release": ModelRelease;
  readonly "model.stage": ModelStage;
  readonly "analytics.release": AnalyticsRelease;
  readonly "key.rotate": KeyRotate;
  readonly erasure: Erasure;
  readonly heartbeat: Heartbeat;
}

export type EntryType = keyof EntryBodies;

/** An entry of one type. */
export interface EntryOf<T extends EntryType> {
  readonly v: 1;
  readonly type: T;
  /** The log's name, which is the origin of its checkpoints. */
  readonly log: string;
  /** 16 random bytes, base64url. */
  readonly id: string;
  /** When it was made, by its author's clock: milliseconds since 1970. Order is by index, never by this. */
  readonly ts: number;
  /** `coordinator`, or a participant's pseudonym. */
  readonly actor: string;
  /** Sequence number among the actor's own entries, from 0. */
  readonly aseq: number;
  /** Leaf hash of the actor's entry before, base64url; null for its first. */
  readonly aprev: string | null;
  readonly body: EntryBodies[T];
  /** Personal data that belong to the entry, readable with the subject's key only. */
  readonly enc?: EncryptedPayload;
  /** Ed25519 over `"fedloop-ledger/v1\n"` and the canonical JSON of all other members, base64url. */
  readonly sig: string;
}

/** Any entry, discriminated by `type`. */
export type Entry = { [T in EntryType]: EntryOf<T> }[EntryType];

/** A type with the body that belongs to it. */
export type EntryBody = { [T in EntryType]: { readonly type: T; readonly body: EntryBodies[T] } }[EntryType];

/** An entry about to be signed. */
export type EntryDraft = { [T in EntryType]: Omit<EntryOf<T>, "v" | "sig"> }[EntryType];

/** A consent entry of any state. */
export type ConsentEntry = Extract<Entry, { readonly body: ConsentBody }>;

/** Author of the operator's entries. */
export const coordinatorActor = "coordinator";

/** Whether an entry holds a consent record. */
export function isConsentEntry(entry: Entry): entry is ConsentEntry {
  return entry.type.startsWith("consent.");
}
