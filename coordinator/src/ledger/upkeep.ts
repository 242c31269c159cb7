import { type ConsentRecord, isConsentEntry, newEntryId, parseEntry } from "@fedloop/consent";
import type { Ledger } from "./ledger.js";

export interface UpkeepOptions {
  readonly ledger: Ledger;
  readonly clock: { now(): number };
  /** Longest silence of the log, milliseconds. */
  readonly heartbeatMs: number;
  readonly onFault: (where: string, cause: unknown) => void;
}

/** Expired consents that one entry group takes, so that other works get their turn. */
const EXPIRIES_A_COMMIT = 200;

/**
 * What a log says when nobody acts: a heartbeat, so that silence can be told from suppression, and which consents have
 * run out. A consent past its end permits nothing in any case; the entry makes it visible.
 */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> = Promise.resolve();

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Begins: every so often from now on. */
  start(): void {
    const { heartbeatMs, onFault } = this.#options;
    // Looked at twice in the time of one silence, so that no silence is much longer than that.
    this.#timer = setInterval(
      () => {
        this.#working = this.#working.then(() => this.once()).catch((cause) => onFault("upkeep of the log", cause));
      },
      Math.max(1_000, heartbeatMs / 2),
    );
    this.#timer.unref();
  }

  /** Writes what is due by now. */
  async once(): Promise<void> {
    await this.#expire();
    const { ledger, clock, heartbeatMs } = this.#options;
    if (clock.now() - ledger.lastTimeMs < heartbeatMs / 2) return;
    await ledger.commit((tx) => tx.append("heartbeat", {}), { signal: this.#stopping.signal });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    await this.#working;
  }

  async #expire(): Promise<void> {
    const { ledger, clock } = this.#options;
    const due = ledger.view.ended(clock.now());
    for (let start = 0; start < due.length; start += EXPIRIES_A_COMMIT) {
      const records: ConsentRecord[] = [];
      for (const { index, leafHash } of due.slice(start, start + EXPIRIES_A_COMMIT)) {
        const entry = parseEntry(await ledger.entry(index));
        if (isConsentEntry(entry)) records.push(expired(entry.body.record, leafHash, clock.now()));
      }
      await Promise.allSettled(
        // One each: a participant who decides anew at this moment goes before.
        records.map((record) => ledger.commit((tx) => tx.append("consent.expired", { record }))),
      );
    }
  }
}

function expired(record: ConsentRecord, supersedes: string, time: number): ConsentRecord {
  const { validUntil } = record.event;
  return { ...record, id: newEntryId(), event: { time, validUntil, state: "expired" }, supersedes };
}
