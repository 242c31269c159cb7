// Signed notes (C2SP signed-note) and timestamped cosignatures (C2SP tlog-cosignature).
import { concatBytes } from "../crypto/bytes.js";
import type { SignatureVerifier, Signer } from "../crypto/ed25519.js";
import { signatureBytes } from "../crypto/ed25519.js";
import { decodeBase64, encodeBase64, encodeUtf8, isWellFormed } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { encodeVkey, isNamed, isSignerName, keyIdText, type VerifierKey, verifierKey } from "./verifier-key.js";

/** A note may carry at most so many signature lines. */
export const maxNoteSignatures = 100;

/** Signs notes under a name. */
export interface NoteSigner {
  readonly key: VerifierKey;
  /** The verifier key's text, to hand to those who check. */
  readonly vkey: string;
  /** What follows the key id in the signature line. */
  sign(text: string): Promise<Uint8Array>;
}

/** One line of a note's signature block. */
export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** A note's text, its final newline included, and its signature lines, not yet verified. */
export interface ParsedNote {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** A signature that verified; witnesses also say when, in seconds since 1970. */
export interface VerifiedSignature {
  readonly key: VerifierKey;
  readonly timestampSeconds: number | null;
}

/** A note of which at least one known key's signature verified. */
export interface OpenedNote {
  readonly text: string;
  readonly verified: readonly VerifiedSignature[];
  /** `name+keyid` of the lines whose keys are not known. */
  readonly unverified: readonly string[];
}

/** A signer of notes: type 1 of C2SP signed-note. */
export function noteSigner(name: string, signer: Signer): NoteSigner {
  const key = verifierKey(name, signer.publicKey);
  return { key, vkey: encodeVkey(key), sign: async (text) => signer.sign(encodeUtf8(text)) };
}

/** A witness: type 4 of C2SP tlog-cosignature. `nowSeconds` gives the time put under the signature. */
export function cosigner(name: string, signer: Signer, nowSeconds: () => number): NoteSigner {
  const key = verifierKey(name, signer.publicKey, "cosignature/v1");
  return {
    key,
    vkey: encodeVkey(key),
    sign: async (text) => {
      const seconds = nowSeconds();
      const time = new Uint8Array(8);
      new DataView(time.buffer).setBigUint64(0, BigInt(seconds));
      return concatBytes(time, await signer.sign(cosignedMessage(seconds, text)));
    },
  };
}

function cosignedMessage(seconds: number | bigint, text: string): Uint8Array {
  return encodeUtf8(`cosignature/v1\ntime ${seconds}\n${text}`);
}

function checkText(text: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  if (text === "" || !text.endsWith("\n") || !isWellFormed(text) || /[\u0000-\u0009\u000b-\u001f]/.test(text))
    throw new LedgerError("BAD_NOTE", "A note's text ends with a newline and holds no other control character.");
}

/** The signature line of a signer over a note's text. */
export async function signatureLine(text: string, signer: NoteSigner): Promise<string> {
  const { name, keyId } = signer.key;
  return signatureLineOf({ name, keyId, signature: await signer.sign(text) });
}

/** The line of a signature. */
export function signatureLineOf({ name, keyId, signature }: NoteSignature): string {
  return `— ${name} ${encodeBase64(concatBytes(keyId, signature))}\n`;
}

/**
 * A note of a text signed by every signer in turn.
 * @throws LedgerError BAD_NOTE when the text does not end with a newline or holds control characters.
 */
export async function signNote(text: string, ...signers: readonly NoteSigner[]): Promise<string> {
  checkText(text);
  let note = `${text}\n`;
  for (const signer of signers) note += await signatureLine(text, signer);
  return note;
}

/**
 * Splits a note into text and signature lines without verifying any.
 * @throws LedgerError BAD_NOTE, BAD_ENCODING
 */
export function parseNote(note: string): ParsedNote {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n") || split + 2 === note.length)
    throw new LedgerError(
      "BAD_NOTE",
      "A note is text, an empty line, and signature lines that each end with a newline.",
    );
  const text = note.slice(0, split + 1);
  checkText(text);
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > maxNoteSignatures)
    throw new LedgerError("BAD_NOTE", `A note has at most ${maxNoteSignatures} signatures, not ${lines.length}.`);
  return { text, signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line: string): NoteSignature {
  const [, name, encoded] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
  if (name === undefined || encoded === undefined || !isSignerName(name))
    throw new LedgerError("BAD_NOTE", "A signature line reads: em dash, space, name, space, base64.");
  const bytes = decodeBase64(encoded);
  if (bytes.length < 5) throw new LedgerError("BAD_NOTE", `The signature of ${name} is too short to be one.`);
  return { name, keyId: bytes.slice(0, 4), signature: bytes.slice(4) };
}

async function verifiedTime(
  key: VerifierKey,
  text: string,
  signature: Uint8Array,
  verifier: SignatureVerifier,
): Promise<{ readonly valid: boolean; readonly timestampSeconds: number | null }> {
  if (key.algorithm === "ed25519")
    return { valid: await verifier.verify(key.publicKey, encodeUtf8(text), signature), timestampSeconds: null };
  if (signature.length !== 8 + signatureBytes) return { valid: false, timestampSeconds: null };
  const seconds = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
  if (seconds > BigInt(Number.MAX_SAFE_INTEGER)) return { valid: false, timestampSeconds: null };
  const valid = await verifier.verify(key.publicKey, cosignedMessage(seconds, text), signature.slice(8));
  return { valid, timestampSeconds: Number(seconds) };
}

/**
 * Opens a note with the keys one knows. Lines of unknown keys are listed, a second line of the same key is ignored, a
 * known key's line that does not verify fails the note.
 * @throws LedgerError BAD_NOTE (form, or no known key signed), BAD_SIGNATURE (a known key's signature is wrong).
 */
export async function openNote(
  note: string,
  keys: readonly VerifierKey[],
  verifier: SignatureVerifier,
): Promise<OpenedNote> {
  const { text, signatures } = parseNote(note);
  const verified: VerifiedSignature[] = [];
  const unverified: string[] = [];
  for (const { name, keyId, signature } of signatures) {
    const key = keys.find((candidate) => isNamed(candidate, name, keyId));
    if (key === undefined) {
      unverified.push(`${name}+${keyIdText(keyId)}`);
      continue;
    }
    if (verified.some((earlier) => earlier.key === key)) continue;
    const { valid, timestampSeconds } = await verifiedTime(key, text, signature, verifier);
    if (!valid) throw new LedgerError("BAD_SIGNATURE", `The signature of ${name}+${keyIdText(keyId)} does not verify.`);
    verified.push({ key, timestampSeconds });
  }
  if (verified.length === 0) throw new LedgerError("BAD_NOTE", "The note has no signature by a known key.");
  return { text, verified, unverified };
}
