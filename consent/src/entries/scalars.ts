// The small words of entries, each with exactly one spelling per value.
import * as z from "zod/mini";
import { decodeBase64Url } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { formatDecimal, isDecimal, parseDecimal } from "../json/decimal.js";

type Text = z.ZodMiniType<string>;

/** base64url of 16 bytes: 22 characters of which the last one has four zero bits. */
export const bytes16: Text = z.string().check(z.regex(/^[A-Za-z0-9_-]{21}[AQgw]$/));
/** base64url of 32 bytes (a SHA-256 hash or an Ed25519 key): 43 characters, the last with two zero bits. */
export const bytes32: Text = z.string().check(z.regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/));
/** base64url of 64 bytes (an Ed25519 signature): 86 characters, the last with four zero bits. */
export const bytes64: Text = z.string().check(z.regex(/^[A-Za-z0-9_-]{85}[AQgw]$/));

/** Whether a text is canonical base64url of any length. */
export function isBase64Url(text: string): boolean {
  try {
    decodeBase64Url(text);
    return true;
  } catch {
    return false;
  }
}

/** The name of a log, which is the origin of its checkpoints: no spaces and no plus sign. */
export const logName: Text = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._~:/-]{0,199}$/));
/** A population, purpose, trainer, data category and the like. */
export const identifier: Text = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/));
/** A code in capitals, such as the reason of an abandoned round. */
export const reasonCode: Text = z.string().check(z.regex(/^[A-Z][A-Z0-9_]{0,63}$/));
/** A line of text for people: no control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
export const line: Text = z.string().check(z.regex(/^[^\u0000-\u001f\u007f-\u009f]{1,2000}$/));
/** A language tag (BCP 47). */
export const languageTag: Text = z.string().check(z.regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}$/));

/** An integer from 0 to 2^53 − 1. */
export const natural: z.ZodMiniType<number> = z.int().check(z.gte(0));
/** An integer from 1 to 2^53 − 1. */
export const positive: z.ZodMiniType<number> = z.int().check(z.gte(1));

/** A real number as its canonical decimal string. */
export const decimal: Text = z.string().check(z.refine(isDecimal, "must be the shortest decimal string of a number"));
/** A real number from 0. */
export const decimalFrom0: Text = decimal.check(z.refine((text) => Number(text) >= 0, "must not be negative"));
/** A real number above 0. */
export const decimalAbove0: Text = decimal.check(z.refine((text) => Number(text) > 0, "must be above 0"));

/** How an ε without bound is written: only where a plan or policy does without differential privacy, and says so. */
export const unbounded = "unbounded";

/** An ε: a decimal from 0, or `unbounded`. */
export const epsilon: Text = z
  .string()
  .check(
    z.refine(
      (text) => text === unbounded || (isDecimal(text) && Number(text) >= 0),
      `must be a decimal string from 0, or "${unbounded}"`,
    ),
  );
/** A δ: a decimal from 0 to below 1. */
export const delta: Text = decimalFrom0.check(z.refine((text) => Number(text) < 1, "must be below 1"));

/**
 * The text of an ε; infinity becomes `unbounded`.
 * @throws LedgerError BAD_ENCODING for NaN and negative values.
 */
export function formatEpsilon(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return unbounded;
  if (!(value >= 0)) throw new LedgerError("BAD_ENCODING", `An ε is a number from 0, not ${value}.`);
  return formatDecimal(value);
}

/**
 * The value of an ε's text; `unbounded` is infinity.
 * @throws LedgerError BAD_ENCODING
 */
export function parseEpsilon(text: string): number {
  return text === unbounded ? Number.POSITIVE_INFINITY : parseDecimal(text);
}

/** An ε rounded up to the next millionth: the precision of every ε in the ledger. */
export function roundUpEpsilon(value: number): number {
  if (!Number.isFinite(value)) return value;
  const millionths = Math.round(value * 1e6);
  const nearest = millionths / 1e6;
  return nearest >= value ? nearest : (millionths + 1) / 1e6;
}

/**
 * The 16 or 32 bytes of an identifier, hash or key.
 * @throws LedgerError BAD_ENCODING when the text is not base64url of that many bytes.
 */
export function bytesOf(text: string, length: 16 | 32 | 64): Uint8Array {
  const bytes = decodeBase64Url(text);
  if (bytes.length !== length)
    throw new LedgerError("BAD_ENCODING", `${length} bytes were expected, ${bytes.length} came.`);
  return bytes;
}
