import {
  canonicalBytes,
  decryptPayload,
  type Entry,
  exportMessage,
  isConsentEntry,
  type JsonValue,
  parseCanonical,
  parseEntry,
  type Signer,
} from "@fedloop/consent";
import type { Ledger } from "../ledger/ledger.js";
import type { Device } from "../registry/device.js";
import type { Store } from "../store/database.js";
import type { Vault } from "./vault.js";

export interface ExportDependencies {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly vault: Vault;
  readonly operator: Signer;
  readonly clock: { now(): number };
  readonly origin: string;
}

/** An export with the operator's receipt for it. */
export interface SubjectExport {
  /** Canonical JSON. */
  readonly document: Uint8Array;
  readonly timeMs: number;
  /** Ed25519 over `exportMessage`. */
  readonly signature: Uint8Array;
}

const ENTRY_LIMITS = { maxBytes: 65_535, maxDepth: 24 };
const FORMAT = "fedloop-export/v1";

/**
 * Everything held about a participant: the registration, its entries in the log with their personal data decrypted, the
 * rounds it was in. What stands in a sum only cannot be told apart and is not there.
 */
export async function exportSubject(device: Device, deps: ExportDependencies): Promise<SubjectExport> {
  const { store, ledger, vault, operator, clock, origin } = deps;
  const deviceId = Buffer.from(device.id, "base64url");
  const registered = await store.db
    .selectFrom("devices")
    .select(["enrolled_ms", "session_expires_ms"])
    .where("device_id", "=", deviceId)
    .executeTakeFirstOrThrow();
  const rounds = await store.db
    .selectFrom("participants")
    .select(["round", "state", "consent_index", "joined_ms"])
    .where("device_id", "=", deviceId)
    .where("population", "=", device.population)
    .orderBy("round")
    .execute();
  const treeSize = ledger.size;
  const subjectKey = await vault.subjects.find(device.id);
  const timeMs = clock.now();
  const document = canonicalBytes(
    {
      format: FORMAT,
      log: origin,
      treeSize,
      population: device.population,
      subject: device.subject,
      publicKey: Buffer.from(device.publicKey).toString("base64url"),
      deviceId: device.id,
      enrolledMs: registered.enrolled_ms,
      sessionExpiresMs: registered.session_expires_ms,
      entries: (await entriesAbout(store, device.subject, treeSize)).map(({ index, bytes, entry }) => ({
        index,
        entry: parseCanonical(bytes, ENTRY_LIMITS),
        personal: personalOf(entry, subjectKey),
      })),
      rounds: rounds.map(({ round, state, consent_index, joined_ms }) => ({
        round,
        part: state,
        consentIndex: consent_index,
        joinedMs: joined_ms,
      })),
    },
    ENTRY_LIMITS.maxDepth + 4,
  );
  const claim = { log: origin, subject: device.subject, timeMs, document };
  return { document, timeMs, signature: await operator.sign(exportMessage(claim)) };
}

interface StoredEntry {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly entry: Entry;
}

/** The participant's own entries, and the coordinator's about it. */
async function entriesAbout(store: Store, subject: string, treeSize: number): Promise<StoredEntry[]> {
  const rows = await store.db
    .selectFrom("entries")
    .select(["index", "bytes", "actor"])
    .where("index", "<", treeSize)
    .where((eb) => eb.or([eb("actor", "=", subject), eb("type", "=", "consent.expired")]))
    .orderBy("index")
    .execute();
  return rows.flatMap(({ index, bytes, actor }) => {
    const plain = new Uint8Array(bytes);
    const entry = parseEntry(plain);
    const isAbout = actor === subject || (isConsentEntry(entry) && entry.body.record.subject === subject);
    return isAbout ? [{ index, bytes: plain, entry }] : [];
  });
}

function personalOf(entry: Entry, subjectKey: Uint8Array | undefined): JsonValue {
  if (entry.enc === undefined || subjectKey === undefined) return null;
  return decryptPayload(entry, subjectKey, entry.enc);
}
