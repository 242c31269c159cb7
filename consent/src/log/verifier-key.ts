// Verifier keys of C2SP signed-note and tlog-cosignature: name+keyid+base64(algorithm ‖ key).
import { concatBytes, equalBytes } from "../crypto/bytes.js";
import { isSoundPublicKey } from "../crypto/ed25519.js";
import { decodeBase64, encodeBase64, encodeUtf8, isWellFormed } from "../crypto/encoding.js";
import { sha256 } from "../crypto/hash.js";
import { LedgerError } from "../errors.js";

/** How a key signs: the note itself, or, as a witness, its time and the note. */
export type NoteAlgorithm = "ed25519" | "cosignature/v1";

const algorithmBytes: { readonly [A in NoteAlgorithm]: number } = { ed25519: 1, "cosignature/v1": 4 };

/** A parsed verifier key. */
export interface VerifierKey {
  readonly name: string;
  /** First four bytes of SHA-256(name ‖ "\n" ‖ algorithm ‖ key). */
  readonly keyId: Uint8Array;
  readonly algorithm: NoteAlgorithm;
  readonly publicKey: Uint8Array;
}

/** Whether a text may name a signer: not empty, no spaces, no plus sign, no control characters. */
export function isSignerName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  return isWellFormed(name) && name.length > 0 && !/[\s+\u0000-\u001f\u007f\u0085]/u.test(name);
}

/**
 * A verifier key of a name and an Ed25519 key.
 * @throws LedgerError BAD_NOTE for a name with spaces or "+", BAD_KEY for an unsound key.
 */
export function verifierKey(name: string, publicKey: Uint8Array, algorithm: NoteAlgorithm = "ed25519"): VerifierKey {
  if (!isSignerName(name))
    throw new LedgerError(
      "BAD_NOTE",
      `A signer's name has no spaces and no "+"; ${JSON.stringify(name)} has, or is empty.`,
    );
  if (!isSoundPublicKey(publicKey)) throw new LedgerError("BAD_KEY", `The key of ${name} is no sound Ed25519 key.`);
  const typedKey = concatBytes(new Uint8Array([algorithmBytes[algorithm]]), publicKey);
  const keyId = sha256(concatBytes(encodeUtf8(`${name}\n`), typedKey)).slice(0, 4);
  return { name, keyId, algorithm, publicKey };
}

/** A key id as eight hexadecimal digits. */
export function keyIdText(keyId: Uint8Array): string {
  return Array.from(keyId, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The text of a verifier key. */
export function encodeVkey({ name, keyId, algorithm, publicKey }: VerifierKey): string {
  const typedKey = concatBytes(new Uint8Array([algorithmBytes[algorithm]]), publicKey);
  return `${name}+${keyIdText(keyId)}+${encodeBase64(typedKey)}`;
}

/**
 * Parses the text of a verifier key and checks that its id belongs to its name and key.
 * @throws LedgerError BAD_NOTE (form, id, algorithm), BAD_ENCODING (base64), BAD_KEY (the key itself).
 */
export function parseVkey(text: string): VerifierKey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  const [, name, id, encoded] = match ?? [];
  if (name === undefined || id === undefined || encoded === undefined)
    throw new LedgerError("BAD_NOTE", "A verifier key reads name+keyid+base64, with eight hexadecimal digits of id.");
  const typedKey = decodeBase64(encoded);
  const algorithm = typedKey[0] === 1 ? "ed25519" : typedKey[0] === 4 ? "cosignature/v1" : undefined;
  if (algorithm === undefined)
    throw new LedgerError(
      "BAD_NOTE",
      `Verifier key of ${name}: algorithm ${typedKey[0] ?? "none"} is neither 1 nor 4.`,
    );
  const key = verifierKey(name, typedKey.slice(1), algorithm);
  if (keyIdText(key.keyId) !== id)
    throw new LedgerError("BAD_NOTE", `Verifier key of ${name}: the id ${id} does not belong to this name and key.`);
  return key;
}

/** Whether a signature line's name and id point to this key. */
export function isNamed(key: VerifierKey, name: string, keyId: Uint8Array): boolean {
  return key.name === name && equalBytes(key.keyId, keyId);
}
