/** Values on the command line, parsed once. */
import { InvalidArgumentError } from "commander";
import { duration } from "../config/fields.js";

const LONGEST_SPAN_MS = 366 * 24 * 60 * 60 * 1_000;

/** A whole number from a minimum on. */
export function wholeNumber(minimum: number): (written: string) => number {
  return (written) => {
    const value = Number(written);
    if (/^\d{1,15}$/.test(written) && value >= minimum) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${minimum} on.`);
  };
}

/** A finite number above 0. */
export function positiveNumber(written: string): number {
  const value = Number(written);
  if (/^[0-9.eE+-]{1,30}$/.test(written) && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("Expected a number above 0.");
}

/** A time span like "30d" or "1h", in milliseconds. */
export function timeSpan(written: string): number {
  const parsed = duration(LONGEST_SPAN_MS).safeParse(written);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError('Expected a time span like "30d" or "1h", of at most 366 days.');
}

/** A text with something in it. */
export function someText(written: string): string {
  if (written.trim() !== "") return written;
  throw new InvalidArgumentError("Expected a text, came an empty one.");
}
