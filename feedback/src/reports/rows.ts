// What of the event log federated analytics may look at: events and fields that the registry lets out as aggregates.
import type { Capture } from "../capture/capture.js";
import type { EventDefinitions, Scalar } from "../registry/registry.js";

/** A row of a table for federated analytics. */
export interface ReportRow {
  readonly type: string;
  /** Whole days between the event and the moment of the report. */
  readonly daysAgo: number;
  readonly [field: string]: Scalar;
}

const DAY_MS = 86_400_000;

/**
 * The events of a purpose as rows, oldest first, to be counted in secure, noised sums. Events and fields of the egress class
 * "never" are left out, here, where the log is read: what answers a query never gets to see them.
 *
 * @param nowMs milliseconds since the epoch
 * @throws FeedbackError STORE_FAILED, LOG_CORRUPT
 */
export async function reportRows<Events extends EventDefinitions<string>>(
  capture: Capture<Events>,
  purpose: string,
  nowMs: number,
): Promise<readonly ReportRow[]> {
  const rows: ReportRow[] = [];
  for await (const { type, atMs, fields } of capture.read(purpose)) {
    if (capture.registry.egress(type) !== "aggregate") continue;
    const released = Object.entries(fields).filter(([field]) => capture.registry.egress(type, field) === "aggregate");
    rows.push({ ...Object.fromEntries(released), type, daysAgo: Math.floor((nowMs - atMs) / DAY_MS) });
  }
  return rows;
}
