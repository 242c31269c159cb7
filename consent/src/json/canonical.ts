// Canonical JSON (RFC 8785) in the ledger's restricted profile: null, booleans, integers up to 2^53 − 1, well-formed
// strings, arrays and objects. Without fractions there is one text for one value in every language, and no number
// formatting to agree on; reals travel as decimal strings (decimal.ts).
import { decodeUtf8, encodeUtf8, isWellFormed } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { valueIfCanonical } from "./respelling.js";
import { checkCanonicalText } from "./scanner.js";

/** What the restricted profile can say. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** How much a parser takes before it refuses. */
export interface JsonLimits {
  readonly maxBytes: number;
  /** How many arrays and objects may lie in one another. */
  readonly maxDepth: number;
}

/** No document of the ledger is nested deeper. */
export const defaultMaxDepth = 32;

const plain = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  if (plain.test(text)) return `"${text}"`;
  if (!isWellFormed(text)) throw new LedgerError("NOT_CANONICAL", "A string holds half of a surrogate pair.");
  return JSON.stringify(text);
}

function serialise(value: unknown, depthLeft: number): string {
  if (value === null || value === true || value === false) return String(value);
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value))
      throw new LedgerError(
        "NOT_CANONICAL",
        "Numbers must be integers up to 2^53 − 1; write reals as decimal strings.",
      );
    return String(value);
  }
  if (typeof value !== "object") throw new LedgerError("NOT_CANONICAL", `JSON has no value of type ${typeof value}.`);
  if (depthLeft === 0) throw new LedgerError("TOO_DEEP", "JSON is nested deeper than the limit.");
  if (Array.isArray(value)) {
    let text = "[";
    for (let at = 0; at < value.length; at++) text += (at > 0 ? "," : "") + serialise(value[at], depthLeft - 1);
    return `${text}]`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new LedgerError("NOT_CANONICAL", "Only plain objects and arrays can be written as JSON.");
  // The default order compares UTF-16 code units, as RFC 8785 §3.2.3 demands.
  const names = Object.keys(value).sort();
  let text = "{";
  for (const name of names) {
    if (name === "__proto__") throw new LedgerError("NOT_CANONICAL", "No member may be called __proto__.");
    const member: unknown = Reflect.get(value, name);
    text += `${(text.length > 1 ? "," : "") + quoted(name)}:${serialise(member, depthLeft - 1)}`;
  }
  return `${text}}`;
}

/**
 * The canonical text of a value.
 * @throws LedgerError NOT_CANONICAL for anything outside the profile (fractions, undefined, class instances, lone
 * surrogates, `__proto__`), TOO_DEEP past `maxDepth`.
 */
export function canonicalText(value: unknown, maxDepth: number = defaultMaxDepth): string {
  return serialise(value, maxDepth);
}

/** The canonical text of a value as UTF-8; errors as {@link canonicalText}. */
export function canonicalBytes(value: unknown, maxDepth: number = defaultMaxDepth): Uint8Array {
  return encodeUtf8(serialise(value, maxDepth));
}

/**
 * The value of a text that is canonical already: duplicate members, spaces, another order, escapes that need not be,
 * fractions and exponents are all refused, so that writing the value again gives the same bytes.
 * @throws LedgerError TOO_LARGE, TOO_DEEP, NOT_CANONICAL, BAD_ENCODING (ill-formed UTF-8).
 */
export function parseCanonical(bytes: Uint8Array, limits: JsonLimits): JsonValue {
  return parseCanonicalText(textWithin(bytes, limits.maxBytes), limits.maxDepth);
}

/** The UTF-8 text of the bytes, if there are at most `maxBytes`. */
export function textWithin(bytes: Uint8Array, maxBytes: number): string {
  if (bytes.length > maxBytes)
    throw new LedgerError("TOO_LARGE", `The document has ${bytes.length} bytes; at most ${maxBytes} are taken.`);
  return decodeUtf8(bytes);
}

/** {@link parseCanonical} for bytes that are already decoded. */
export function parseCanonicalText(text: string, maxDepth: number): JsonValue {
  const value = valueIfCanonical(text, maxDepth);
  if (value !== undefined) return value;
  checkCanonicalText(text, maxDepth);
  return JSON.parse(text);
}
