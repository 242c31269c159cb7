// Strict base64 and base64url (RFC 4648). One byte string has one text: wrong padding, foreign characters, line breaks
// and non-zero trailing bits are refused, because a text that can be varied without changing its bytes would let a
// signed document be altered unseen.
import { LedgerError } from "../errors.js";

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const alphabet64 = utf8Encoder.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const alphabet64Url = utf8Encoder.encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

function tableOf(alphabet: Uint8Array): Uint8Array {
  const table = new Uint8Array(128).fill(255);
  for (const [value, code] of alphabet.entries()) table[code] = value;
  return table;
}

const values64 = tableOf(alphabet64);
const values64Url = tableOf(alphabet64Url);

/** In one piece: a text that grows by characters is kept as a tree of its parts, at many times its size. */
function encode(bytes: Uint8Array, alphabet: Uint8Array): string {
  const codes = new Uint8Array(Math.ceil((bytes.length * 4) / 3));
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      codes[at++] = alphabet[(held >> bits) & 63] ?? 0;
    }
  }
  if (bits > 0) codes[at] = alphabet[(held << (6 - bits)) & 63] ?? 0;
  return utf8Decoder.decode(codes);
}

function decode(text: string, values: Uint8Array, name: string): Uint8Array {
  if (text.length % 4 === 1) throw new LedgerError("BAD_ENCODING", `${name} of ${text.length} characters is cut off.`);
  const bytes = new Uint8Array((text.length * 6) >> 3);
  let at = 0;
  let bits = 0;
  let held = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    const value = code < 128 ? (values[code] ?? 255) : 255;
    if (value === 255)
      throw new LedgerError("BAD_ENCODING", `Character ${index + 1} is not one of the alphabet of ${name}.`);
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 255;
    }
  }
  if ((held & ((1 << bits) - 1)) !== 0)
    throw new LedgerError("BAD_ENCODING", `The unused last bits of ${name} must be zero.`);
  return bytes;
}

/** Bytes as base64url without padding (RFC 4648 §5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encode(bytes, alphabet64Url);
}

/**
 * Bytes of a base64url text without padding.
 * @throws LedgerError BAD_ENCODING when the text is not the one canonical form.
 */
export function decodeBase64Url(text: string): Uint8Array {
  return decode(text, values64Url, "base64url");
}

/** Bytes as padded base64 (RFC 4648 §4), the form that signed notes use. */
export function encodeBase64(bytes: Uint8Array): string {
  const text = encode(bytes, alphabet64);
  return text + "=".repeat((4 - (text.length % 4)) % 4);
}

/**
 * Bytes of a padded base64 text.
 * @throws LedgerError BAD_ENCODING when the text is not the one canonical form.
 */
export function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw new LedgerError("BAD_ENCODING", "base64 must be padded to a multiple of four.");
  const body = text.replace(/={1,2}$/, "");
  return decode(body, values64, "base64");
}

/** Text as UTF-8. */
export function encodeUtf8(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/**
 * Text of UTF-8 bytes; a byte-order mark is kept as the character it is.
 * @throws LedgerError BAD_ENCODING when the bytes are not well-formed UTF-8.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8Decoder.decode(bytes);
  } catch (cause) {
    throw new LedgerError("BAD_ENCODING", "The bytes are not well-formed UTF-8.", { cause });
  }
}

const loneSurrogate = /\p{Surrogate}/u;

/** Whether a string is well-formed Unicode, so that UTF-8 can carry it unchanged. */
export function isWellFormed(text: string): boolean {
  return !loneSurrogate.test(text);
}
