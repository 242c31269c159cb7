import { setTimeout as wait, setImmediate as yieldToEventLoop } from "node:timers/promises";
import {
  type ConsentView,
  coordinatorActor,
  decodeBase64Url,
  type Entry,
  type EntryBodies,
  type EntryType,
  entryBundleBytes,
  equalBytes,
  leafHash,
  type MerkleTree,
  type NoteSigner,
  type Signer,
  signCheckpoint,
  type TileName,
  tileBytes,
  tileWidth,
} from "@fedloop/consent";
import { CompiledQuery, type ControlledTransaction } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { Database, Store, StoreTransaction } from "../store/database.js";
import { StoreUnreachable } from "../store/postgres-pool.js";
import { type Appended, EntryGroup, type ParsedAppended } from "./entry-group.js";
import { entryIds } from "./entry-ids.js";
import { asCoordinatorError } from "./ledger-error.js";
import {
  checkCheckpoint,
  corrupt,
  type LogState,
  readCheckpoint,
  readEntries,
  readLog,
  type SignedCheckpoint,
  storedEntry,
} from "./log-state.js";
import { RecentEntries } from "./recent-entries.js";
import { lockLog, outcomeOf } from "./shared-log.js";

/** Works that share one transaction, at most: the event loop gets a turn after each group. */
const GROUP_WORKS = 128;
/** A clock may step back this far (an adjustment by NTP) before the coordinator refuses to stamp entries with it. */
const CLOCK_STEP_MS = 60_000;
/** A transaction that takes longer holds a work that most likely asked `store.db` and waits for itself. */
const WORK_TIMEOUT_MS = 30_000;
const RECENT_BYTES = 4 << 20;
/** How long a work waits for a database that cannot be reached. */
const PATIENCE_MS = 8_000;

// The same words in SQLite and PostgreSQL.
const SAVEPOINT = CompiledQuery.raw("savepoint work");
const RELEASE = CompiledQuery.raw("release savepoint work");
const ROLL_BACK = CompiledQuery.raw("rollback to savepoint work");

export interface LedgerOptions {
  readonly store: Store;
  /** The log's name. */
  readonly origin: string;
  /** Signs the coordinator's entries. */
  readonly operatorSigner: Signer;
  /** Signs checkpoints; its name is the origin. */
  readonly noteSigner: NoteSigner;
  readonly clock: { now(): number };
  /** Gives each entry its id: 16 random bytes, base64url. The platform's random source unless given. */
  readonly randomId?: () => string;
  /** Works that share a transaction may take this long together, milliseconds; 30 000 unless given. */
  readonly workTimeoutMs?: number;
  /** Stops the reading of a long log. */
  readonly signal?: AbortSignal;
}

/** What a unit of work does: changes in the database and entries, which become durable together or not at all. */
export interface LedgerTransaction {
  /** For every query of the work; `store.db` would wait for this transaction to end. */
  readonly db: StoreTransaction;
  /** Builds, chains and signs an entry of the coordinator's. @throws LedgerError BAD_ENTRY, STALE_POLICY */
  append<T extends EntryType>(type: T, body: EntryBodies[T]): Promise<Appended>;
  /**
   * Appends an entry that its author signed; the caller has verified the signature by the author's key. That the
   * entry continues its author's chain, and that a consent may stand, is checked here. The same entry again gets
   * the place it got first.
   *
   * @param entry canonical JSON, or what `parseEntry` made of it
   * @throws CoordinatorError BAD_ENTRY, TOO_LARGE, CHAIN_BROKEN, CONFLICT, STALE_POLICY, WITHDRAWN_LATER, WRONG_SUBJECT
   */
  appendSigned(entry: Uint8Array | Entry): Promise<Appended>;
}

/** What takes works: the ledger itself, or one that first checks whether this process may still write. */
export type Committer = Pick<Ledger, "commit">;

/** Throws in a transaction that this process may not make any more. */
export type Fence = (transaction: LedgerTransaction) => Promise<void>;

/** A ledger whose works are fenced, each in its own transaction. */
export function fenced(ledger: Committer, fence: Fence | undefined): Committer {
  if (fence === undefined) return ledger;
  return {
    commit: (work, options) =>
      ledger.commit(async (transaction) => {
        await fence(transaction);
        return work(transaction);
      }, options),
  };
}

/** Proof that an entry is in the log. */
export interface Receipt {
  readonly entry: Uint8Array;
  readonly index: number;
  /** RFC 6962 audit path, leaf to root, in the tree of the checkpoint. */
  readonly path: readonly Uint8Array[];
  /** C2SP signed note. */
  readonly checkpoint: string;
  /** Of the checkpoint's tree: what a consistency proof for the same receiver must end at. */
  readonly size: number;
}

export interface Committed<T> {
  readonly result: T;
  /** New entries of this work, in order; an entry that was there before is not among them. */
  readonly appended: readonly Appended[];
}

interface Job {
  readonly signal: AbortSignal | undefined;
  /** Runs the work; the answer settles the caller once the transaction is durable. */
  run(transaction: LedgerTransaction): Promise<(appended: readonly Appended[]) => void>;
  reject(cause: unknown): void;
}

function errorCode(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}

/**
 * The sequencer of the log. Works that are waiting at the same time share one database transaction, each with a
 * savepoint of its own, so one that throws fails alone. `commit` resolves when all of it is on disk: the state, the
 * entries, and a signed checkpoint that includes them.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #recent = new RecentEntries(RECENT_BYTES);
  readonly #queue: Job[] = [];
  readonly #listeners = new Set<() => void>();
  #tree: MerkleTree;
  #view: ConsentView;
  /** Goes ahead of `#view` by the entries of the transaction under way. */
  #aheadView: ConsentView;
  #checkpoint: SignedCheckpoint;
  #lastTimeMs: number;
  #pumping: Promise<void> | undefined;
  #stopped: CoordinatorError | undefined;
  readonly #randomId: () => string;

  private constructor(options: LedgerOptions, state: LogState, checkpoint: SignedCheckpoint) {
    this.#options = options;
    this.#randomId = options.randomId ?? entryIds();
    this.#tree = state.tree;
    this.#view = state.view;
    this.#aheadView = state.aheadView;
    this.#lastTimeMs = state.lastTimeMs;
    this.#checkpoint = checkpoint;
  }

  /**
   * Reads the log and checks it against the stored checkpoint and the keys.
   *
   * @throws CoordinatorError LEDGER_CORRUPT when entries and checkpoint disagree or are of other keys; CLOCK_BEHIND
   * when the clock is before the last entry
   */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const { store, origin, noteSigner, operatorSigner, clock } = options;
    // First the checkpoint, then the entries under it: others may be appending.
    let checkpoint = await readCheckpoint(store.db);
    const state = await readLog(store.db, origin, {
      ...(store.isShared ? { to: checkpoint?.size ?? 0 } : {}),
      signal: options.signal,
    });
    if (checkpoint === undefined) {
      if (state.tree.size > 0)
        throw corrupt(`expected a signed checkpoint beside ${state.tree.size} entries, came none`);
      const root = state.tree.root();
      checkpoint = { size: 0, root, text: await signCheckpoint({ origin, size: 0, root }, noteSigner) };
      const { numInsertedOrUpdatedRows } = await store.db
        .insertInto("checkpoint")
        .values({ id: 1, ...checkpoint })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      // Another process began the log at the same time.
      if (numInsertedOrUpdatedRows === 0n) return Ledger.open(options);
    }
    await checkCheckpoint(checkpoint, state.tree, noteSigner.vkey);
    const key = state.view.actor(coordinatorActor)?.key;
    if (key !== undefined && !equalBytes(decodeBase64Url(key), operatorSigner.publicKey)) {
      throw corrupt("expected the operator key that signed this log's entries, came another key");
    }
    checkClock(clock.now(), state.lastTimeMs);
    return new Ledger(options, state, checkpoint);
  }

  /** Number of entries, all of them durable and in the checkpoint. */
  get size(): number {
    return this.#checkpoint.size;
  }

  /** Time of the coordinator's last entry, milliseconds since the epoch; 0 in an empty log. */
  get lastTimeMs(): number {
    return this.#lastTimeMs;
  }

  /** Who consents to what, after the last committed entry. A commit may replace it: do not keep it. */
  get view(): ConsentView {
    return this.#view;
  }

  /** The newest signed state. */
  checkpoint(): SignedCheckpoint {
    return this.#checkpoint;
  }

  /**
   * Runs a work in a transaction and resolves when its changes and entries are durable and in a signed checkpoint.
   *
   * @throws what the work throws, and then nothing of it happened; CoordinatorError STORE_FAILED (nothing of it
   * happened either), CLOCK_BEHIND, LEDGER_STOPPED (the disk can no longer be trusted: restart)
   */
  commit<T>(
    work: (transaction: LedgerTransaction) => Promise<T>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Committed<T>> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    return new Promise((resolve, reject) => {
      const run = async (transaction: LedgerTransaction) => {
        const result = await work(transaction);
        return (appended: readonly Appended[]) => resolve({ result, appended });
      };
      this.#queue.push({ signal: options.signal, run, reject });
      this.#pumping ??= this.#pump();
    });
  }

  /**
   * Reads what other processes have appended; where there are none, nothing.
   *
   * @throws CoordinatorError RETRY when the database cannot be reached
   */
  async refresh(): Promise<void> {
    if (this.#options.store.isShared) await this.commit(async () => undefined);
  }

  /** Refreshes where the log is said to have more entries than are known here. */
  async expectSize(size: number): Promise<void> {
    if (size > this.size) await this.refresh();
  }

  /**
   * An entry's bytes.
   *
   * @throws CoordinatorError OUT_OF_RANGE
   */
  async entry(index: number): Promise<Uint8Array> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.size) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected an index below ${this.size}, came ${index}`);
    }
    const recent = this.#recent.get(index);
    if (recent !== undefined) return recent;
    for await (const { bytes } of readEntries(this.#options.store.db, index, index + 1)) {
      this.#recent.add(index, bytes);
      return bytes;
    }
    throw corrupt(`expected entry ${index} in the database, it is gone`);
  }

  /** The bytes of entries [from, to), in order. @throws CoordinatorError OUT_OF_RANGE */
  async *entries(from = 0, to: number = this.size): AsyncGenerator<Uint8Array> {
    if (to > this.size || from < 0 || from > to) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected a range in ${this.size} entries, came ${from} to ${to}`);
    }
    for await (const { bytes } of readEntries(this.#options.store.db, from, to)) yield bytes;
  }

  /**
   * An entry with the proof that it is in the newest checkpoint's tree.
   *
   * @throws CoordinatorError OUT_OF_RANGE
   */
  async receipt(index: number): Promise<Receipt> {
    const entry = await this.entry(index);
    const { size, text } = this.#checkpoint;
    return { entry, index, path: this.#tree.inclusionProof(index, size), checkpoint: text, size };
  }

  /**
   * RFC 6962 proof that the tree of the older size is a prefix of the newer one; empty where nothing is to be proved.
   *
   * @throws CoordinatorError OUT_OF_RANGE
   */
  consistency(oldSize: number, newSize: number = this.size): readonly Uint8Array[] {
    if (newSize > this.size) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected sizes up to ${this.size}, came ${newSize}`);
    }
    try {
      return this.#tree.consistencyProof(oldSize, newSize);
    } catch (cause) {
      throw asCoordinatorError(cause);
    }
  }

  /**
   * The bytes of a tile or entry bundle (C2SP tlog-tiles) of the tree of `size` entries; undefined where that tree has
   * none such.
   *
   * @throws CoordinatorError OUT_OF_RANGE for a size that is not durable yet
   */
  async tile(name: TileName, size: number = this.size): Promise<Uint8Array | undefined> {
    if (size > this.size)
      throw new CoordinatorError("OUT_OF_RANGE", `expected a size up to ${this.size}, came ${size}`);
    const { level, width } = name;
    const first = Number(name.index) * tileWidth;
    const available = level === "entries" ? size : Math.floor(size / tileWidth ** level);
    if (first + width > available) return undefined;
    if (level !== "entries") {
      return tileBytes(Array.from({ length: width }, (_, at) => this.#tree.completeSubtree(8 * level, first + at)));
    }
    const entries: Uint8Array[] = [];
    for await (const bytes of this.entries(first, first + width)) entries.push(bytes);
    return entryBundleBytes(entries);
  }

  /** Root of the tree of the first `size` entries, 32 bytes. @throws CoordinatorError OUT_OF_RANGE */
  rootAt(size: number): Uint8Array {
    if (size > this.size) {
      throw new CoordinatorError("OUT_OF_RANGE", `expected a size up to ${this.size}, came ${size}`);
    }
    return this.#tree.root(size);
  }

  /** Calls back after each commit that added entries. @returns what ends that */
  onGrowth(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Waits for the works under way and takes no more. The store stays open. */
  async close(): Promise<void> {
    this.#stopped ??= new CoordinatorError("LEDGER_STOPPED", "expected an open ledger, this one is closed");
    await this.#pumping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      try {
        this.#stampMs();
        await this.#group();
      } catch (cause) {
        for (const job of this.#queue.splice(0)) job.reject(cause);
      }
      await yieldToEventLoop();
    }
    this.#pumping = undefined;
  }

  /** One transaction for what is waiting, and for what comes while it runs. */
  async #group(): Promise<void> {
    const settled: (() => void)[] = [];
    const jobs: Job[] = [];
    let transaction: ControlledTransaction<Database> | undefined;
    let transactionId: string | undefined;
    const watchdog = new Watchdog(this.#options.workTimeoutMs ?? WORK_TIMEOUT_MS);
    try {
      transaction = await this.#options.store.db.startTransaction().execute();
      if (this.#options.store.isShared) transactionId = await this.#takeTurn(transaction);
      const timeMs = this.#stampMs();
      const group = new EntryGroup(this.#entryOptions(), this.#aheadView, timeMs);
      for (
        let job = this.#queue.shift();
        job !== undefined;
        job = jobs.length < GROUP_WORKS ? this.#queue.shift() : undefined
      ) {
        jobs.push(job);
        const settle = await this.#runJob(job, transaction, group, watchdog);
        if (settle !== undefined) settled.push(settle);
      }
      this.#aheadView = group.view;
      const checkpoint = await this.#write(transaction, group);
      await transaction.commit().execute();
      this.#publish(group.entries, checkpoint, timeMs);
    } catch (cause) {
      await this.#giveUp({ transaction, transactionId, jobs, settled }, cause);
      return;
    } finally {
      watchdog.stop();
    }
    for (const settle of settled) settle();
  }

  /** @returns what tells the caller, or undefined when the work failed and the caller knows */
  async #runJob(
    job: Job,
    transaction: ControlledTransaction<Database>,
    group: EntryGroup,
    watchdog: Watchdog,
  ): Promise<(() => void) | undefined> {
    if (job.signal?.aborted) {
      job.reject(job.signal.reason);
      return undefined;
    }
    const mark = group.mark();
    await transaction.executeQuery(SAVEPOINT);
    try {
      const settle = await Promise.race([
        watchdog.late,
        job.run({
          db: transaction,
          append: (type, body) => group.append(transaction, type, body),
          appendSigned: (entry) => group.appendSigned(transaction, entry),
        }),
      ]);
      await transaction.executeQuery(RELEASE);
      const appended = group.entries.slice(mark);
      return () => settle(appended);
    } catch (cause) {
      if (cause instanceof WorkTimeout) throw cause;
      await transaction.executeQuery(ROLL_BACK);
      await transaction.executeQuery(RELEASE);
      await group.rollBackTo(mark, async () => (await readLog(transaction, this.#options.origin)).aheadView);
      job.reject(cause);
      return undefined;
    }
  }

  /** Rows and, when there are new entries, a checkpoint over them. */
  async #write(transaction: ControlledTransaction<Database>, group: EntryGroup): Promise<SignedCheckpoint> {
    const before = this.#checkpoint;
    if (group.entries.length === 0) return before;
    for (const { leafHash } of group.entries) this.#tree.append(leafHash);
    const { origin, noteSigner } = this.#options;
    const size = this.#tree.size;
    const root = this.#tree.root();
    const text = await signCheckpoint({ origin, size, root }, noteSigner);
    const { numUpdatedRows } = await transaction
      .updateTable("checkpoint")
      .set({ size, root, text })
      .where("id", "=", 1)
      .where("size", "=", before.size)
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) {
      throw corrupt(`expected the stored checkpoint at size ${before.size}, another writer has moved it`);
    }
    return { size, root, text };
  }

  #publish(entries: readonly ParsedAppended[], checkpoint: SignedCheckpoint, timeMs: number): void {
    for (const { index, parsed, entry } of entries) {
      this.#view.apply(index, parsed);
      this.#recent.add(index, entry);
    }
    this.#checkpoint = checkpoint;
    if (entries.length === 0) return;
    this.#lastTimeMs = timeMs;
    for (const listener of this.#listeners) listener();
  }

  /**
   * The transaction failed as a whole: nothing of it happened, and everyone in it is told. What was derived from it
   * is read anew. When even that fails, or the disk failed to keep what it was given, the log stops.
   */
  async #giveUp(failed: FailedGroup, cause: unknown): Promise<void> {
    const { transaction, jobs } = failed;
    if (cause instanceof StoreUnreachable) return this.#recover(failed, cause);
    const failure =
      cause instanceof CoordinatorError
        ? cause
        : new CoordinatorError(
            "STORE_FAILED",
            `expected the database to take the changes, came ${errorCode(cause) || "an error"}; nothing was changed; free disk space or look at the disk`,
            { cause },
          );
    const waiting = jobs.length > 0 ? jobs : this.#queue.splice(0);
    try {
      if (transaction !== undefined && !transaction.isCommitted) await transaction.rollback().execute();
      if (errorCode(cause).startsWith("SQLITE_IOERR") || failure.code === "LEDGER_CORRUPT") throw failure;
      await this.#reload();
    } catch (worse) {
      this.#stopped = stoppedBy(worse);
      for (const job of this.#queue.splice(0)) job.reject(this.#stopped);
    }
    // A work that has been told already is not told twice: a promise settles once.
    for (const job of waiting) job.reject(failure);
  }

  /**
   * Nobody knows what became of the transaction until the database can be asked again. The works in it wait for that, and
   * those that come meanwhile, but not for ever: whoever waits too long is told to come back.
   */
  async #recover({ transaction, transactionId, jobs, settled }: FailedGroup, failure: StoreUnreachable): Promise<void> {
    await transaction
      ?.rollback()
      .execute()
      .catch(() => undefined);
    const patienceEndsMs = performance.now() + PATIENCE_MS;
    for (let waitMs = 25; this.#stopped === undefined; waitMs = Math.min(2 * waitMs, 500)) {
      try {
        const outcome =
          transactionId === undefined ? "aborted" : await outcomeOf(this.#options.store.db, transactionId);
        if (outcome !== undefined) {
          await this.#reload();
          if (outcome === "committed") for (const settle of settled) settle();
          break;
        }
      } catch (worse) {
        if (isCorrupt(worse)) this.#stopped = stoppedBy(worse);
      }
      if (performance.now() > patienceEndsMs) {
        for (const job of [...jobs, ...this.#queue.splice(0)]) job.reject(failure);
      }
      await wait(waitMs);
    }
    // Those that were settled do not hear it.
    for (const job of jobs) job.reject(failure);
    if (this.#stopped !== undefined) for (const job of this.#queue.splice(0)) job.reject(this.#stopped);
  }

  async #reload(): Promise<void> {
    const { store, origin, noteSigner } = this.#options;
    const known = this.#checkpoint;
    const checkpoint = store.isShared ? ((await readCheckpoint(store.db)) ?? known) : known;
    const state = await readLog(store.db, origin, store.isShared ? { to: checkpoint.size } : {});
    await checkCheckpoint(checkpoint, state.tree, noteSigner.vkey);
    if (checkpoint.size < known.size || !equalBytes(state.tree.root(known.size), known.root)) throw forked(known);
    this.#tree = state.tree;
    this.#view = state.view;
    this.#aheadView = state.aheadView;
    this.#checkpoint = checkpoint;
    this.#lastTimeMs = Math.max(this.#lastTimeMs, state.lastTimeMs);
    if (checkpoint.size > known.size) for (const listener of this.#listeners) listener();
  }

  /** Has the log to itself until the transaction ends, and knows all of it. */
  async #takeTurn(transaction: StoreTransaction): Promise<string> {
    const { origin, noteSigner } = this.#options;
    const { checkpoint, transactionId } = await lockLog(transaction);
    const known = this.#checkpoint;
    if (checkpoint.size < known.size) throw forked(known);
    if (checkpoint.size === known.size) {
      if (!equalBytes(checkpoint.root, known.root)) throw forked(known);
      return transactionId;
    }
    const added: { readonly index: number; readonly entry: Entry; readonly hash: Uint8Array }[] = [];
    for await (const { index, bytes } of readEntries(transaction, known.size, checkpoint.size)) {
      if (index !== known.size + added.length)
        throw corrupt(`expected entry ${known.size + added.length}, came ${index}`);
      added.push({ index, entry: storedEntry(index, bytes, origin), hash: leafHash(bytes) });
    }
    for (const { index, entry, hash } of added) {
      this.#tree.append(hash);
      this.#view.apply(index, entry);
      this.#aheadView.apply(index, entry);
      if (entry.actor === coordinatorActor) this.#lastTimeMs = Math.max(this.#lastTimeMs, entry.ts);
    }
    // The old tree is a prefix of this one by the way it was made: equal roots prove that nobody forked the log.
    await checkCheckpoint(checkpoint, this.#tree, noteSigner.vkey);
    this.#checkpoint = checkpoint;
    for (const listener of this.#listeners) listener();
    return transactionId;
  }

  #stampMs(): number {
    const now = this.#options.clock.now();
    checkClock(now, this.#lastTimeMs);
    return Math.max(now, this.#lastTimeMs);
  }

  #entryOptions() {
    const { origin, operatorSigner } = this.#options;
    return { origin, operatorSigner, randomId: this.#randomId };
  }
}

/** A transaction that did not come to its end. */
interface FailedGroup {
  readonly transaction: ControlledTransaction<Database> | undefined;
  /** Where the database is shared: by which its outcome can be asked for. */
  readonly transactionId: string | undefined;
  readonly jobs: readonly Job[];
  /** Tells the works whose part went well. */
  readonly settled: readonly (() => void)[];
}

function isCorrupt(cause: unknown): boolean {
  return cause instanceof CoordinatorError && cause.code === "LEDGER_CORRUPT";
}

function forked({ size }: SignedCheckpoint): CoordinatorError {
  return corrupt(`expected a log that begins with the ${size} entries that are signed, the database has another`);
}

function stoppedBy(cause: unknown): CoordinatorError {
  return new CoordinatorError(
    "LEDGER_STOPPED",
    "expected to go on after a failed write, but the disk or the database can no longer be trusted; look at the disk, then restart",
    { cause },
  );
}

/** Rejects when a transaction has taken too long. */
class Watchdog {
  readonly late: Promise<never>;
  #timer: NodeJS.Timeout | undefined;

  constructor(afterMs: number) {
    this.late = new Promise((_, reject) => {
      this.#timer = setTimeout(() => reject(new WorkTimeout(afterMs)), afterMs);
    });
    this.late.catch(() => undefined);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Ends the whole transaction: the work may go on using it, so nothing in it can be kept. */
class WorkTimeout extends CoordinatorError {
  constructor(afterMs: number) {
    super(
      "STORE_FAILED",
      `expected a work on the ledger to end within ${afterMs} ms, it did not; inside a work ask its own transaction, never store.db`,
    );
  }
}

function checkClock(nowMs: number, lastMs: number): void {
  if (nowMs >= lastMs - CLOCK_STEP_MS) return;
  throw new CoordinatorError(
    "CLOCK_BEHIND",
    `expected a time after the last entry's, ${new Date(lastMs).toISOString()}, came ${new Date(nowMs).toISOString()}; set the clock`,
  );
}
