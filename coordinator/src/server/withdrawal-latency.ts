import { isConsentEntry, parseEntry, WithdrawalLatencies, type WithdrawalLatency } from "@fedloop/consent";
import type { StoreReader } from "../store/sqlite-reader.js";

/**
 * How long data were used after their participant had said no, as far as the coordinator still knows who took part: an
 * erased participant's rounds are not known any more.
 */
export async function withdrawalLatency(store: StoreReader, population: string): Promise<WithdrawalLatency> {
  const latencies = new WithdrawalLatencies();
  const withdrawals = await store.db
    .selectFrom("entries")
    .select(["index", "bytes"])
    .where("type", "=", "consent.withdrawn")
    .orderBy("index")
    .execute();
  const subjects = new Set<string>();
  for (const { index, bytes } of withdrawals) {
    const entry = parseEntry(new Uint8Array(bytes));
    if (!isConsentEntry(entry) || entry.body.record.population !== population) continue;
    const { subject, event } = entry.body.record;
    subjects.add(subject);
    latencies.withdrew(subject, index, event.time);
  }
  if (subjects.size === 0) return latencies.summary();
  const debits = await debitTimes(store, population);
  const uses = await store.db
    .selectFrom("participants")
    .select(["subject", "round", "consent_index"])
    .where("population", "=", population)
    .where("state", "=", "submitted")
    .execute();
  for (const { subject, round, consent_index } of uses) {
    const time = debits.get(round);
    if (time !== undefined && subjects.has(subject)) latencies.used(subject, consent_index, time);
  }
  return latencies.summary();
}

/** When each round was debited, milliseconds since the epoch. */
async function debitTimes(store: StoreReader, population: string): Promise<ReadonlyMap<number, number>> {
  const rows = await store.db.selectFrom("entries").select("bytes").where("type", "=", "budget.debit").execute();
  const times = new Map<number, number>();
  for (const { bytes } of rows) {
    const entry = parseEntry(new Uint8Array(bytes));
    if (entry.type === "budget.debit" && entry.body.population === population) times.set(entry.body.round, entry.ts);
  }
  return times;
}
