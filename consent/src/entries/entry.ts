// An entry of the log: what it may hold, how its bytes are made and read, and what its signature covers.
import * as z from "zod/mini";
import { concatBytes } from "../crypto/bytes.js";
import type { SignatureVerifier, Signer } from "../crypto/ed25519.js";
import { encodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { acceptanceOf } from "../json/acceptance.js";
import { canonicalBytes, parseCanonical } from "../json/canonical.js";
import { leafHash } from "../log/hashing.js";
import { maxEntryBytes } from "../log/tiles.js";
import { type ConsentRecord, consentRecord } from "../records/record.js";
import type { EncryptedPayload } from "../vault/payload.js";
import { type ModelStage, modelStage } from "./model-stage.js";
import { type Erasure, erasure, type Heartbeat, heartbeat, type KeyRotate, keyRotate } from "./operations.js";
import { type PolicyPublish, policyPublish } from "./policy-publish.js";
import {
  type AnalyticsRelease,
  analyticsRelease,
  type BudgetDebit,
  budgetDebit,
  type ModelRelease,
  modelRelease,
} from "./release.js";
import { type RoundClose, roundClose } from "./round-close.js";
import { type RoundPlan, roundPlan } from "./round-plan.js";
import { bytes16, bytes32, bytes64, bytesOf, isBase64Url, logName, natural } from "./scalars.js";

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

const signaturePrefix = encodeUtf8("fedloop-ledger/v1\n");
const entryDepth = 24;

const encryptedPayload: z.ZodMiniType<EncryptedPayload> = z.strictObject({
  alg: z.literal("XC20P"),
  // nonce, key and tag: 24 + 32 + 16 bytes
  key: z.string().check(z.regex(/^[A-Za-z0-9_-]{96}$/)),
  ciphertext: z.string().check(z.refine(isBase64Url, "must be base64url")),
});

function entryOf<const T extends EntryType>(type: T, body: z.ZodMiniType<EntryBodies[T]>) {
  return z.strictObject({
    v: z.literal(1),
    type: z.literal(type),
    log: logName,
    id: bytes16,
    ts: natural,
    actor: z.union([z.literal(coordinatorActor), bytes16]),
    aseq: natural,
    aprev: z.nullable(bytes32),
    body,
    enc: z.exactOptional(encryptedPayload),
    sig: bytes64,
  });
}

function consentOf<const T extends ConsentEntry["type"]>(type: T) {
  const state = type.slice("consent.".length);
  return entryOf(
    type,
    z
      .strictObject({ record: consentRecord })
      .check(z.refine(({ record }) => record.event.state === state, `record.event.state must be "${state}"`)),
  );
}

const entrySchema: z.ZodMiniType<Entry> = z
  .discriminatedUnion("type", [
    entryOf("policy.publish", policyPublish),
    consentOf("consent.given"),
    consentOf("consent.refused"),
    consentOf("consent.withdrawn"),
    consentOf("consent.reaffirmed"),
    consentOf("consent.expired"),
    entryOf("round.plan", roundPlan),
    entryOf("round.close", roundClose),
    entryOf("budget.debit", budgetDebit),
    entryOf("model.release", modelRelease),
    entryOf("model.stage", modelStage),
    entryOf("analytics.release", analyticsRelease),
    entryOf("key.rotate", keyRotate),
    entryOf("erasure", erasure),
    entryOf("heartbeat", heartbeat),
  ])
  .check(
    z.refine(({ aseq, aprev }) => (aseq === 0) === (aprev === null), "aprev is null exactly in an actor's first entry"),
    z.refine((entry) => mayWrite(entry), "this actor may not write an entry of this type"),
  );

/** Participants write their own consents and key changes, the coordinator all else and expiries. */
function mayWrite(entry: Entry): boolean {
  const byCoordinator = entry.actor === coordinatorActor;
  if (entry.type === "key.rotate") return byCoordinator === (entry.body.role === "operator");
  if (entry.type === "consent.expired" && byCoordinator) return true;
  return byCoordinator === !isConsentEntry(entry);
}

/** Whether an entry holds a consent record. */
export function isConsentEntry(entry: Entry): entry is ConsentEntry {
  return entry.type.startsWith("consent.");
}

/** What was read or written to get an entry, so that hashing and verifying need not write it again. */
interface Origin {
  readonly bytes: Uint8Array;
  leafHash?: Uint8Array;
  leafHashText?: string;
}

// Kept on the entry itself, unseen by copies and by JSON: a WeakMap of as many entries as a log has would slow every
// garbage collection.
const originSymbol = Symbol("origin");

function keepOrigin(entry: Entry, origin: Origin): Origin {
  Object.defineProperty(entry, originSymbol, { value: origin });
  return origin;
}

function originOf(entry: Entry): Origin {
  const known: Origin | undefined = Reflect.get(entry, originSymbol);
  if (known !== undefined) return known;
  return keepOrigin(entry, { bytes: canonicalBytes(entry, entryDepth) });
}

/** The canonical bytes of an entry: what the log holds. */
export function entryBytes(entry: Entry): Uint8Array {
  return originOf(entry).bytes;
}

/** The leaf hash of an entry: 32 bytes. */
export function entryLeaf(entry: Entry): Uint8Array {
  const origin = originOf(entry);
  origin.leafHash ??= leafHash(origin.bytes);
  return origin.leafHash;
}

/** The leaf hash of an entry, base64url, as other entries name it. */
export function entryLeafHash(entry: Entry): string {
  const origin = originOf(entry);
  origin.leafHashText ??= encodeBase64Url(entryLeaf(entry));
  return origin.leafHashText;
}

const isEntry = acceptanceOf(entrySchema);

function checked(value: unknown): Entry {
  // Most are good, and a log has many.
  if (isEntry(value)) return value as Entry;
  const { success, data, error } = entrySchema.safeParse(value);
  if (success) return data;
  const issues = error.issues.slice(0, 3).map(({ path, message }) => `${path.join(".") || "entry"}: ${message}`);
  throw new LedgerError("BAD_ENTRY", `The entry is not of a known form: ${issues.join("; ")}.`, { cause: error });
}

/**
 * Reads an entry: canonical JSON of at most 65 535 bytes, of a known type, with exactly the members of that type. The
 * signature is not checked; see {@link verifyEntrySignature}.
 * @throws LedgerError TOO_LARGE, TOO_DEEP, NOT_CANONICAL, BAD_ENCODING, BAD_ENTRY
 */
export function parseEntry(bytes: Uint8Array): Entry {
  const entry = checked(parseCanonical(bytes, { maxBytes: maxEntryBytes, maxDepth: entryDepth }));
  keepOrigin(entry, { bytes });
  return entry;
}

/** The bytes that an entry's signature covers. */
export function entryMessage(entry: Entry): Uint8Array {
  const { bytes } = originOf(entry);
  // Members are sorted, so the signature stands just before ts, type and v; all from there on is ASCII.
  const rest = `"ts":${entry.ts},"type":"${entry.type}","v":1}`;
  const signature = `"sig":"${entry.sig}",`;
  const head = bytes.subarray(0, bytes.length - rest.length - signature.length);
  return concatBytes(signaturePrefix, head, encodeUtf8(rest));
}

/** Whether the entry is signed by the key (32 bytes). */
export async function verifyEntrySignature(
  entry: Entry,
  publicKey: Uint8Array,
  verifier: SignatureVerifier,
): Promise<boolean> {
  return verifier.verify(publicKey, entryMessage(entry), bytesOf(entry.sig, 64));
}

/**
 * Signs a draft and answers the entry's canonical bytes, which {@link parseEntry} reads back.
 * @throws LedgerError BAD_ENTRY, NOT_CANONICAL, TOO_LARGE when the draft cannot be an entry.
 */
export async function buildEntry(draft: EntryDraft, signer: Signer): Promise<Uint8Array> {
  const unsigned = { v: 1, ...draft };
  const message = concatBytes(signaturePrefix, canonicalBytes(unsigned, entryDepth));
  const sig = encodeBase64Url(await signer.sign(message));
  const bytes = canonicalBytes(checked({ ...unsigned, sig }), entryDepth);
  if (bytes.length > maxEntryBytes)
    throw new LedgerError("TOO_LARGE", `An entry has at most ${maxEntryBytes} bytes, not ${bytes.length}.`);
  return bytes;
}

/** A fresh entry or record id: 16 bytes from the platform's random source, base64url. */
export function newEntryId(): string {
  return encodeBase64Url(crypto.getRandomValues(new Uint8Array(16)));
}
