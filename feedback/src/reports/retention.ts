// Whether somebody comes back: the days on which they were active, counted from the day they joined, for a retention curve.
import type { DeviceStore } from "@fedloop/client-runtime";
import * as z from "zod/mini";
import type { Capture } from "../capture/capture.js";
import type { PurposeGate } from "../capture/gate.js";
import type { EventDefinitions } from "../registry/registry.js";

/** A row of a table for federated analytics: one day on which a person was active. */
export interface RetentionRow {
  readonly [column: string]: number;
  /** Whole days from joining to the activity: 0 is the day of joining. */
  readonly day: number;
  /** Whole days from joining to the report; the same in all rows of a person. */
  readonly tenure: number;
}

const DAY_MS = 86_400_000;
const PREFIX = "reports/joined/";
const momentSchema = z.strictObject({ joinedMs: z.int() });

/** What rows are made of beside the log. Moments are milliseconds since the epoch. */
export interface RetentionOptions {
  readonly gate: PurposeGate;
  readonly joinedMs: number;
  readonly nowMs: number;
}

/**
 * When the person joined, for a purpose: the moment of the first call, which the device keeps. To be called once the person
 * has agreed.
 *
 * @param nowMs milliseconds since the epoch
 */
export async function joinedMs(store: DeviceStore, purpose: string, nowMs: number): Promise<number> {
  const bytes = await store.get(PREFIX + purpose);
  if (bytes !== undefined) return z.parse(momentSchema, JSON.parse(new TextDecoder().decode(bytes))).joinedMs;
  await store.put(PREFIX + purpose, new TextEncoder().encode(JSON.stringify({ joinedMs: nowMs })));
  return nowMs;
}

/** Forgets when the person joined: after a withdrawal of the purpose that it was kept for. */
export async function forgetJoined(store: DeviceStore, purpose: string): Promise<void> {
  await store.delete(PREFIX + purpose);
}

/**
 * One row for each day since joining on which an event of the purpose was captured, and one for the day of joining, in
 * their order; none while the purpose is not allowed. A function of the log and of two moments, so the same log gives the
 * same rows. A day has 24 hours and begins with the hour of joining, wherever the person is. Only events of the egress class
 * "aggregate" count as activity.
 *
 * Events whose retention is over are gone, so a query asks people of a `tenure` below it:
 * `among: { tenure: { atLeast: 7, below: 90 } }, parts: { "day-1": { day: 1 }, "day-7": { day: 7 } }`.
 *
 * @throws FeedbackError STORE_FAILED, LOG_CORRUPT
 */
export async function retentionRows<Events extends EventDefinitions<string>>(
  capture: Capture<Events>,
  purpose: string,
  { gate, joinedMs, nowMs }: RetentionOptions,
): Promise<readonly RetentionRow[]> {
  if (gate.state(purpose) !== "allowed") return [];
  const dayOf = (ms: number): number => Math.floor((ms - joinedMs) / DAY_MS);
  const tenure = dayOf(nowMs);
  const days = new Set([0]);
  for await (const { type, atMs } of capture.read(purpose)) {
    const day = dayOf(atMs);
    if (capture.registry.egress(type) === "aggregate" && day >= 0 && day <= tenure) days.add(day);
  }
  return [...days].sort((one, other) => one - other).map((day) => ({ day, tenure }));
}
