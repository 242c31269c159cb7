// What product people publish to all devices alike: canonical JSON under a signature of a key that the app has pinned.
import {
  canonicalBytes,
  decodeBase64Url,
  decodeUtf8,
  encodeBase64Url,
  encodeUtf8,
  equalBytes,
  type JsonValue,
  parseCanonical,
  type SignatureVerifier,
  type Signer,
  sha256Text,
} from "@fedloop/consent";
import * as z from "zod/mini";
import { FeedbackError } from "../errors.js";

/** What is in the bundle; a signature for one kind is none for another. */
export type BundleKind = "templates" | "rules";

/** Whom the device believes, and what it has seen. */
export interface BundleTrust {
  /** Ed25519 public keys, 32 bytes each: the app's own, or the operator's as the participant's log has pinned it. */
  readonly keys: readonly Uint8Array[];
  readonly verifier: SignatureVerifier;
  /** The newest version that this device has used; older ones are refused. */
  readonly newestVersion?: number;
}

/** A bundle that was verified. */
export interface OpenedBundle {
  readonly version: number;
  /** SHA-256 of the payload, base64url: the same on all devices, and what a log entry names. */
  readonly digest: string;
  readonly contents: JsonValue;
}

const FORMAT = "fedloop-bundle/1";
/** A larger bundle is not looked at, in bytes. */
export const MAX_BUNDLE_BYTES = 1_048_576;

const envelopeSchema = z.strictObject({
  format: z.literal(FORMAT),
  kind: z.enum(["templates", "rules"]),
  payload: z.string(),
  key: z.optional(z.string()),
  signature: z.optional(z.string()),
});
const payloadSchema = z.strictObject({ version: z.int().check(z.gte(1)), contents: z.custom<JsonValue>(() => true) });

function message(kind: BundleKind, payload: Uint8Array): Uint8Array {
  const head = encodeUtf8(`${FORMAT} ${kind}\n`);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

/**
 * Signs contents for all devices.
 *
 * @param version from 1, rising
 * @throws LedgerError NOT_CANONICAL where the contents are not the restricted JSON of the ledger
 */
export async function signBundle(
  kind: BundleKind,
  version: number,
  contents: JsonValue,
  signer: Signer,
): Promise<Uint8Array> {
  const payload = canonicalBytes({ version, contents });
  const signature = await signer.sign(message(kind, payload));
  return canonicalBytes({
    format: FORMAT,
    kind,
    payload: encodeBase64Url(payload),
    key: encodeBase64Url(signer.publicKey),
    signature: encodeBase64Url(signature),
  });
}

function parsed<T>(schema: z.ZodMiniType<T>, read: () => unknown): T {
  try {
    return z.parse(schema, read());
  } catch (cause) {
    throw new FeedbackError("BAD_BUNDLE", `expected a bundle of the format ${FORMAT}, came something else`, { cause });
  }
}

/**
 * Verifies a bundle. Its contents are JSON still: what is in them the reader of that kind checks.
 *
 * @throws FeedbackError BAD_BUNDLE, BUNDLE_UNSIGNED, BUNDLE_NOT_TRUSTED, BUNDLE_ROLLED_BACK
 */
export async function openBundle(kind: BundleKind, bytes: Uint8Array, trust: BundleTrust): Promise<OpenedBundle> {
  if (bytes.length > MAX_BUNDLE_BYTES) {
    throw new FeedbackError("BAD_BUNDLE", `expected at most ${MAX_BUNDLE_BYTES} bytes, came ${bytes.length}`);
  }
  const envelope = parsed(envelopeSchema, () => JSON.parse(decodeUtf8(bytes)));
  if (envelope.signature === undefined || envelope.key === undefined) {
    throw new FeedbackError("BUNDLE_UNSIGNED", "expected a signed bundle, this one is not signed; publish it signed");
  }
  if (envelope.kind !== kind) {
    throw new FeedbackError("BAD_BUNDLE", `expected a bundle of ${kind}, came one of ${envelope.kind}`);
  }
  const { payload, key, signature } = parsed(
    z.custom<Parts>(() => true),
    () => ({
      payload: decodeBase64Url(envelope.payload),
      key: decodeBase64Url(envelope.key ?? ""),
      signature: decodeBase64Url(envelope.signature ?? ""),
    }),
  );
  if (!trust.keys.some((pinned) => equalBytes(pinned, key))) {
    throw new FeedbackError("BUNDLE_NOT_TRUSTED", "expected a bundle under a pinned key, came one under another");
  }
  if (!(await trust.verifier.verify(key, message(kind, payload), signature))) {
    throw new FeedbackError("BUNDLE_NOT_TRUSTED", "the bundle's signature does not fit what is in it");
  }
  const limits = { maxBytes: MAX_BUNDLE_BYTES, maxDepth: 16 };
  const { version, contents } = parsed(payloadSchema, () => parseCanonical(payload, limits));
  if (version < (trust.newestVersion ?? 0)) {
    throw new FeedbackError(
      "BUNDLE_ROLLED_BACK",
      `expected version ${trust.newestVersion} or a newer one, came ${version}`,
    );
  }
  return { version, digest: sha256Text(payload), contents };
}

interface Parts {
  readonly payload: Uint8Array;
  readonly key: Uint8Array;
  readonly signature: Uint8Array;
}
