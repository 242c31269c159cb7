/** Values on the command line, parsed once. */
import { InvalidArgumentError } from "commander";
import { duration, identifier } from "../config/fields.js";

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

/** The name of a population. */
export function populationName(written: string): string {
  const parsed = identifier().safeParse(written);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError("Expected lower-case letters, digits and . _ -, as in lecturers-2025.");
}

/** Host names or addresses, one more each time. */
export function nameOfHost(written: string, before: readonly string[]): readonly string[] {
  if (/^[A-Za-z0-9.:-]{1,253}$/.test(written)) return [...before, written];
  throw new InvalidArgumentError("Expected a host name or address without a port, as in fedloop.example.org.");
}
