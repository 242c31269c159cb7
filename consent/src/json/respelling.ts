// Is a text canonical? The engine's own JSON reads it and writes it again in a fraction of the time of a scanner.
import type { JsonValue } from "./canonical.js";

/** An escape of half a surrogate pair, which the engine would write just so. */
const escapedSurrogate = /\\ud[89a-f]/;

/**
 * The value of a text, if the engine writes it as it stands there and its members are sorted; undefined says nothing:
 * ask the scanner, which knows what is wrong, and knows a few texts that are right though the engine would write them in
 * another order (members whose names are whole numbers).
 */
export function valueIfCanonical(text: string, maxDepth: number): JsonValue | undefined {
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Depth first: writing goes as deep as the value.
  if (!isInProfile(value, maxDepth) || escapedSurrogate.test(text)) return undefined;
  // What is written once cannot stand there twice, nor with spaces, other escapes or another spelling of a number.
  return JSON.stringify(value) === text ? value : undefined;
}

function isInProfile(value: JsonValue, depthLeft: number): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value);
  if (typeof value !== "object" || value === null) return true;
  if (depthLeft === 0) return false;
  if (isList(value)) {
    for (const element of value) if (!isInProfile(element, depthLeft - 1)) return false;
    return true;
  }
  let previous: string | undefined;
  for (const name in value) {
    // Comparing strings compares UTF-16 code units, as RFC 8785 §3.2.3 demands.
    if ((previous !== undefined && previous >= name) || name === "__proto__") return false;
    previous = name;
    const member = value[name];
    if (member === undefined || !isInProfile(member, depthLeft - 1)) return false;
  }
  return true;
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
