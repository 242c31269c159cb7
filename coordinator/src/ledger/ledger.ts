import type { ConsentView, TileName } from "@fedloop/consent";
import { entryIds } from "./entry-ids.js";
import { KnownLog, type KnownLogOptions } from "./known-log.js";
import { LogReader, type Receipt } from "./log-reader.js";
import type { SignedCheckpoint } from "./log-state.js";
import { RecentEntries } from "./recent-entries.js";
import { Sequencer } from "./sequencer.js";
import type { Committed, Committer, LedgerTransaction } from "./work.js";

export type { Receipt } from "./log-reader.js";
export { type Committed, type Committer, type Fence, fenced, type LedgerTransaction } from "./work.js";

const RECENT_BYTES = 4 << 20;

export interface LedgerOptions extends KnownLogOptions {
  /** Gives each entry its id: 16 random bytes, base64url. The platform's random source unless given. */
  readonly randomId?: () => string;
  /** Works that share a transaction may take this long together, milliseconds; 30 000 unless given. */
  readonly workTimeoutMs?: number;
}

/** The log: appends by units of work, and proves what is in it. */
export class Ledger implements Committer {
  readonly #log: KnownLog;
  readonly #reader: LogReader;
  readonly #sequencer: Sequencer;
  readonly #isShared: boolean;

  private constructor(options: LedgerOptions, log: KnownLog) {
    const { store, origin, operatorSigner, randomId = entryIds(), workTimeoutMs } = options;
    const recent = new RecentEntries(RECENT_BYTES);
    this.#log = log;
    this.#reader = new LogReader(store.db, log, recent);
    this.#sequencer = new Sequencer(
      { store, entries: { origin, operatorSigner, randomId }, workTimeoutMs },
      log,
      recent,
    );
    this.#isShared = store.isShared;
  }

  /**
   * Reads the log and checks it against the stored checkpoint and the keys.
   *
   * @throws CoordinatorError LEDGER_CORRUPT when entries and checkpoint disagree or are of other keys; CLOCK_BEHIND
   * when the clock is before the last entry
   */
  static async open(options: LedgerOptions): Promise<Ledger> {
    return new Ledger(options, await KnownLog.open(options));
  }

  /** Number of entries, all of them durable and in the checkpoint. */
  get size(): number {
    return this.#log.size;
  }

  /** Time of the coordinator's last entry, milliseconds since the epoch; 0 in an empty log. */
  get lastTimeMs(): number {
    return this.#log.lastTimeMs;
  }

  /** Who consents to what, after the last committed entry. A commit may replace it: do not keep it. */
  get view(): ConsentView {
    return this.#log.view;
  }

  /** The newest signed state. */
  checkpoint(): SignedCheckpoint {
    return this.#log.checkpoint;
  }

  /** @inheritdoc */
  commit<T>(
    work: (transaction: LedgerTransaction) => Promise<T>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Committed<T>> {
    return this.#sequencer.commit(work, options);
  }

  /**
   * Reads what other processes have appended; where there are none, nothing.
   *
   * @throws CoordinatorError RETRY when the database cannot be reached
   */
  async refresh(): Promise<void> {
    if (this.#isShared) await this.commit(async () => undefined);
  }

  /** Refreshes where the log is said to have more entries than are known here. */
  async expectSize(size: number): Promise<void> {
    if (size > this.size) await this.refresh();
  }

  /** An entry's bytes. @throws CoordinatorError OUT_OF_RANGE */
  entry(index: number): Promise<Uint8Array> {
    return this.#reader.entry(index);
  }

  /** The bytes of entries [from, to), in order. @throws CoordinatorError OUT_OF_RANGE */
  entries(from = 0, to: number = this.size): AsyncGenerator<Uint8Array> {
    return this.#reader.entries(from, to);
  }

  /** An entry with the proof that it is in the newest checkpoint's tree. @throws CoordinatorError OUT_OF_RANGE */
  receipt(index: number): Promise<Receipt> {
    return this.#reader.receipt(index);
  }

  /**
   * RFC 6962 proof that the tree of the older size is a prefix of the newer one; empty where nothing is to be proved.
   *
   * @throws CoordinatorError OUT_OF_RANGE
   */
  consistency(oldSize: number, newSize: number = this.size): readonly Uint8Array[] {
    return this.#reader.consistency(oldSize, newSize);
  }

  /**
   * The bytes of a tile or entry bundle (C2SP tlog-tiles) of the tree of `size` entries; undefined where that tree has
   * none such.
   *
   * @throws CoordinatorError OUT_OF_RANGE for a size that is not durable yet
   */
  tile(name: TileName, size: number = this.size): Promise<Uint8Array | undefined> {
    return this.#reader.tile(name, size);
  }

  /** Root of the tree of the first `size` entries, 32 bytes. @throws CoordinatorError OUT_OF_RANGE */
  rootAt(size: number): Uint8Array {
    return this.#reader.rootAt(size);
  }

  /** Calls back after each commit that added entries. @returns what ends that */
  onGrowth(listener: () => void): () => void {
    return this.#log.onGrowth(listener);
  }

  /** Waits for the works under way and takes no more. The store stays open. */
  close(): Promise<void> {
    return this.#sequencer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
