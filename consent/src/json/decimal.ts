import { LedgerError } from "../errors.js";

/**
 * The decimal string of a finite number: the shortest one that reads back as the same double (ECMAScript
 * Number::toString, as RFC 8785 §3.2.2.3 takes it).
 * @throws LedgerError BAD_ENCODING for NaN and infinities, which no entry may hold.
 */
export function formatDecimal(value: number): string {
  if (!Number.isFinite(value)) throw new LedgerError("BAD_ENCODING", `${value} has no decimal string.`);
  return String(value);
}

/** Whether the text is the one canonical decimal string of a finite number. */
export function isDecimal(text: string): boolean {
  const value = Number(text);
  return Number.isFinite(value) && String(value) === text;
}

/**
 * The number of a canonical decimal string.
 * @throws LedgerError BAD_ENCODING for any other spelling (`1.0`, `+1`, `1e3`, `-0`, spaces, `NaN`).
 */
export function parseDecimal(text: string): number {
  if (!isDecimal(text))
    throw new LedgerError("BAD_ENCODING", `"${text.slice(0, 40)}" is not the shortest decimal string of a number.`);
  return Number(text);
}
