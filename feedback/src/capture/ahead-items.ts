// Events on their way into the log, as a write-ahead list holds them.
import * as z from "zod/mini";
import type { Scalar } from "../registry/registry.js";

/** What one purpose gets of an event. */
export interface AheadItem {
  /** A name that no other item has. */
  readonly origin: string;
  readonly purpose: string;
  readonly atMs: number;
  readonly type: string;
  readonly fields: { readonly [name: string]: Scalar };
}

/** The name of an event that is in a log's queue as well, under a number there: it may have been written since. */
export function queuedOrigin(opening: string, sequence: number): string {
  return `${opening}#${sequence}`;
}

/** @returns undefined for an event that was never in a log's queue */
export function readQueuedOrigin(origin: string): { readonly opening: string; readonly sequence: number } | undefined {
  const [, opening, sequence] = /^([^#]*)#(\d+)$/.exec(origin) ?? [];
  return opening === undefined ? undefined : { opening, sequence: Number(sequence) };
}

const itemsSchema = z.array(
  z.tuple([
    z.string(),
    z.string(),
    z.number(),
    z.string(),
    z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  ]),
);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeItems(items: readonly AheadItem[]): Uint8Array {
  return encoder.encode(
    JSON.stringify(items.map(({ origin, purpose, atMs, type, fields }) => [origin, purpose, atMs, type, fields])),
  );
}

/** @returns none for bytes that are no items: nobody is to lose a log over a foreign entry in the list */
export function decodeItems(bytes: Uint8Array): AheadItem[] {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch {
    return [];
  }
  const { data = [] } = z.safeParse(itemsSchema, json);
  return data.map(([origin, purpose, atMs, type, fields]) => ({ origin, purpose, atMs, type, fields }));
}
