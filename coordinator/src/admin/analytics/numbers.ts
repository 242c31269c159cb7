// Numbers as the API tells them. JSON knows no infinity: an interval without an end has null there.
import * as z from "zod";

/** An end of an interval. */
export const bound: z.ZodNullable<z.ZodNumber> = z.number().nullable();

/** A release, by its place in the log. */
export const journalIndex: z.ZodInt = z
  .int()
  .describe("the release's entry in the log, by which `fedloop journal` names it");

export interface Ends {
  low: number | null;
  high: number | null;
}

export function ends([low, high]: readonly [number, number]): Ends {
  return { low: finite(low), high: finite(high) };
}

export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
