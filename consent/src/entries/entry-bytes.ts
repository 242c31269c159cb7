// An entry's bytes, the hash of its leaf, and what its signature covers.
import { concatBytes } from "../crypto/bytes.js";
import type { SignatureVerifier } from "../crypto/ed25519.js";
import { encodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { canonicalBytes } from "../json/canonical.js";
import { leafHash } from "../log/hashing.js";
import type { Entry } from "./entry-types.js";
import { bytesOf } from "./scalars.js";

/** What stands before the bytes that are signed. */
export const signaturePrefix: Uint8Array = encodeUtf8("fedloop-ledger/v1\n");
/** How deep entries nest at most. */
export const entryDepth = 24;

/** What was read or written to get an entry, so that hashing and verifying need not write it again. */
export interface Origin {
  readonly bytes: Uint8Array;
  leafHash?: Uint8Array;
  leafHashText?: string;
}

// Kept on the entry itself, unseen by copies and by JSON: a WeakMap of as many entries as a log has would slow every
// garbage collection.
const originSymbol = Symbol("origin");

/** Remembers the bytes that an entry was read from. */
export function keepOrigin(entry: Entry, origin: Origin): Origin {
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

/** The bytes that an entry's signature covers. */
export function entryMessage(entry: Entry): Uint8Array {
  const { bytes } = originOf(entry);
  // Members are sorted, so the signature stands just before ts, type and v; all from there on is ASCII.
  const rest = bytes.length - `"ts":${entry.ts},"type":"${entry.type}","v":1}`.length;
  const signature = `"sig":"${entry.sig}",`.length;
  return concatBytes(signaturePrefix, bytes.subarray(0, rest - signature), bytes.subarray(rest));
}

/** Whether the entry is signed by the key (32 bytes). */
export async function verifyEntrySignature(
  entry: Entry,
  publicKey: Uint8Array,
  verifier: SignatureVerifier,
): Promise<boolean> {
  return verifier.verify(publicKey, entryMessage(entry), bytesOf(entry.sig, 64));
}
