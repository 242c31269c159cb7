// Is a text canonical? The engine's own JSON reads it, and its length tells whether it stands there in the one shortest
// spelling: a fraction of the time of a scanner, and nothing is written.
import { isWellFormed } from "../crypto/encoding.js";
import type { JsonValue } from "./canonical.js";

/** A fraction or an exponent, the only spellings of a whole number that may be as short as its canonical one. */
const fractional = /[[,:]-?[0-9]+[.eE]/;

/**
 * The value of a text, if it is canonical beyond doubt; undefined says nothing: ask the scanner, which knows what is
 * wrong, and knows some texts that are right though this does not (escapes, names that begin with a digit, and strings
 * in which something looks like a fraction).
 *
 * Without escapes and fractions every text of a value is its canonical one with spaces, members that are overwritten by
 * a later one of the same name, or members in another order: the first two make it longer, the last is seen in the value,
 * which keeps the order of all names but whole numbers.
 */
export function valueIfCanonical(text: string, maxDepth: number): JsonValue | undefined {
  if (text.includes("\\") || fractional.test(text) || !isWellFormed(text)) return undefined;
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // A text that is nothing but a number has no character before it.
  if (typeof value === "number") return undefined;
  return canonicalLength(value, maxDepth) === text.length ? value : undefined;
}

/** How many characters a value takes when nothing in it needs an escape; NaN where it is not in the profile, or unsorted. */
function canonicalLength(value: JsonValue, depthLeft: number): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value === "number") return Number.isSafeInteger(value) ? String(value).length : Number.NaN;
  if (typeof value !== "object" || value === null) return value === false ? 5 : 4;
  if (depthLeft === 0) return Number.NaN;
  // The brackets, and a comma after each element but the last.
  let length = 1;
  if (isList(value)) {
    for (const element of value) length += canonicalLength(element, depthLeft - 1) + 1;
    return Math.max(length, 2);
  }
  let previous: string | undefined;
  for (const name in value) {
    // Comparing strings compares UTF-16 code units, as RFC 8785 §3.2.3 demands.
    if ((previous !== undefined && previous >= name) || name === "__proto__" || beginsWithDigit(name))
      return Number.NaN;
    previous = name;
    const member = value[name];
    if (member === undefined) return Number.NaN;
    length += name.length + 4 + canonicalLength(member, depthLeft - 1);
  }
  return Math.max(length, 2);
}

function beginsWithDigit(name: string): boolean {
  const code = name.charCodeAt(0);
  return code >= 0x30 && code <= 0x39;
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
