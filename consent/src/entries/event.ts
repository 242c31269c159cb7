// Mechanism events of @fedloop/privacy inside entries: the same closed vocabulary, reals as decimal strings.
import { type DpEvent, decimalDpEvent, parseDecimalDpEvent } from "@fedloop/privacy";
import * as z from "zod/mini";
import { LedgerError } from "../errors.js";
import type { JsonValue } from "../json/canonical.js";

/** A DpEvent as entries hold it. */
export type EventJson = { readonly [member: string]: JsonValue };

/**
 * The mechanism event that an entry holds.
 * @throws LedgerError BAD_ENTRY for an unknown event, or a parameter that no accountant accepts.
 */
export function decodeEvent(json: EventJson): DpEvent {
  try {
    return parseDecimalDpEvent(json);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError("BAD_ENTRY", `The mechanism event is not one of the known vocabulary: ${reason}`, { cause });
  }
}

/** A mechanism event as entries hold it: every real a decimal string. */
export function encodeEvent(event: DpEvent): EventJson {
  return decimalDpEvent(event);
}

function isEvent(json: unknown): boolean {
  try {
    parseDecimalDpEvent(json);
    return true;
  } catch {
    return false;
  }
}

export const eventJson: z.ZodMiniType<EventJson> = z.custom<EventJson>(
  isEvent,
  "must be a known mechanism event with sound parameters, reals as decimal strings",
);
