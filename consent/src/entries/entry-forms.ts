// What an entry may hold, and how entries are read and built. Who reads only some types names only these: a device has no
// use for the forms of what it never reads.
import * as z from "zod/mini";
import { concatBytes } from "../crypto/bytes.js";
import type { Signer } from "../crypto/ed25519.js";
import { encodeBase64Url } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { canonicalBytes, parseCanonical } from "../json/canonical.js";
import { maxEntryBytes } from "../log/tiles.js";
import type { EncryptedPayload } from "../vault/payload.js";
import { entryDepth, keepOrigin, signaturePrefix } from "./entry-bytes.js";
import {
  coordinatorActor,
  type Entry,
  type EntryBodies,
  type EntryDraft,
  type EntryOf,
  type EntryType,
} from "./entry-types.js";
import { bytes16, bytes32, bytes64, isBase64Url, logName, natural } from "./scalars.js";

/** An entry whose type and body need not fit: of a type that is not known yet. */
type AnyEntry = EntryOf<EntryType>;

/** What an entry of a type holds. */
export interface EntryForm<E extends AnyEntry> {
  readonly type: E["type"];
  readonly schema: z.ZodMiniType<E>;
}

/** Reads the bytes of an entry of some types. @throws LedgerError as `parseEntry` */
export type EntryReader<E extends Entry> = (bytes: Uint8Array) => E;

/** Whether a value is of a form; where it says no, the form decides. */
type Accepts = (value: unknown) => boolean;
type Acceptance = (schema: z.core.$ZodType) => Accepts;

const encryptedPayload: z.ZodMiniType<EncryptedPayload> = z.strictObject({
  alg: z.literal("XC20P"),
  // nonce, key and tag: 24 + 32 + 16 bytes
  key: z.string().check(z.regex(/^[A-Za-z0-9_-]{96}$/)),
  ciphertext: z.string().check(z.refine(isBase64Url, "must be base64url")),
});

/** The coordinator, or a participant's pseudonym: base64url of 16 bytes. */
const actor: z.ZodMiniType<string> = z.string().check(z.regex(/^(?:coordinator|[A-Za-z0-9_-]{21}[AQgw])$/));

/** The form of an entry of one type: what all entries have, and its body. */
export function formOf<const T extends EntryType>(type: T, body: z.ZodMiniType<EntryBodies[T]>): EntryForm<EntryOf<T>> {
  const schema = z
    .strictObject({
      v: z.literal(1),
      type: z.literal(type),
      log: logName,
      id: bytes16,
      ts: natural,
      actor,
      aseq: natural,
      aprev: z.nullable(bytes32),
      body,
      enc: z.exactOptional(encryptedPayload),
      sig: bytes64,
    })
    .check(
      z.refine(
        ({ aseq, aprev }) => (aseq === 0) === (aprev === null),
        "aprev is null exactly in an actor's first entry",
      ),
      z.refine((entry) => mayWrite(entry), "this actor may not write an entry of this type"),
    );
  return { type, schema };
}

/** Participants write their own consents and key changes, the coordinator all else and expiries. */
function mayWrite({ type, actor, body }: AnyEntry): boolean {
  const byCoordinator = actor === coordinatorActor;
  if (type === "key.rotate") return byCoordinator === ("role" in body && body.role === "operator");
  if (type === "consent.expired" && byCoordinator) return true;
  return byCoordinator === !type.startsWith("consent.");
}

/** Checks values against the forms that are given; a type without one is as unknown as any other word. */
function checker<E extends Entry>(forms: readonly EntryForm<E>[], acceptance?: Acceptance): (value: unknown) => E {
  const known = new Map<unknown, { readonly schema: z.ZodMiniType<E>; readonly accepts: Accepts | undefined }>(
    forms.map(({ type, schema }) => [type, { schema, accepts: acceptance?.(schema) }]),
  );
  return (value) => {
    const type = typeof value === "object" && value !== null && "type" in value ? value.type : undefined;
    const form = known.get(type);
    if (form === undefined) throw bad(`type: must be one of ${[...known.keys()].join(", ")}`);
    // Most are good, and a log has many.
    if (form.accepts?.(value) === true) return value as E;
    const { success, data, error } = form.schema.safeParse(value);
    if (success) return data;
    const issues = error.issues.slice(0, 3).map(({ path, message }) => `${path.join(".") || "entry"}: ${message}`);
    throw bad(issues.join("; "), error);
  };
}

function bad(reason: string, cause?: unknown): LedgerError {
  return new LedgerError("BAD_ENTRY", `The entry is not of a known form: ${reason}.`, { cause });
}

/** A reader of these types of entries. @param acceptance where many are read */
export function entryReader<E extends Entry>(forms: readonly EntryForm<E>[], acceptance?: Acceptance): EntryReader<E> {
  const check = checker(forms, acceptance);
  return (bytes) => {
    const entry = check(parseCanonical(bytes, { maxBytes: maxEntryBytes, maxDepth: entryDepth }));
    keepOrigin(entry, { bytes });
    return entry;
  };
}

/** Signs drafts of entries, and answers their canonical bytes. */
export type EntryBuilder<E extends Entry> = (
  draft: Extract<EntryDraft, { readonly type: E["type"] }>,
  signer: Signer,
) => Promise<Uint8Array>;

/** A builder of these types of entries: what it builds, a reader of the same forms reads. */
export function entryBuilder<E extends Entry>(forms: readonly EntryForm<E>[]): EntryBuilder<E> {
  const check = checker(forms);
  return async (draft, signer) => {
    const unsigned = { v: 1, ...draft };
    const message = concatBytes(signaturePrefix, canonicalBytes(unsigned, entryDepth));
    const sig = encodeBase64Url(await signer.sign(message));
    const bytes = canonicalBytes(check({ ...unsigned, sig }), entryDepth);
    if (bytes.length > maxEntryBytes)
      throw new LedgerError("TOO_LARGE", `An entry has at most ${maxEntryBytes} bytes, not ${bytes.length}.`);
    return bytes;
  };
}

/** A fresh entry or record id: 16 bytes from the platform's random source, base64url. */
export function newEntryId(): string {
  return encodeBase64Url(crypto.getRandomValues(new Uint8Array(16)));
}
