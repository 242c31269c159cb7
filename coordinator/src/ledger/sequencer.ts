import { setTimeout as wait, setImmediate as yieldToEventLoop } from "node:timers/promises";
import { CompiledQuery, type ControlledTransaction } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { Database, Store } from "../store/database.js";
import { StoreUnreachable } from "../store/store-unreachable.js";
import { type Appended, EntryGroup, type EntryGroupOptions } from "./entry-group.js";
import type { KnownLog } from "./known-log.js";
import { readLog } from "./log-state.js";
import type { RecentEntries } from "./recent-entries.js";
import { outcomeOf } from "./shared-log.js";
import { Watchdog, WorkTimeout } from "./watchdog.js";
import type { Committed, Committer, LedgerTransaction } from "./work.js";

/** Works that share one transaction, at most: the event loop gets a turn after each group. */
const GROUP_WORKS = 128;
/** A transaction that takes longer holds a work that most likely asked `store.db` and waits for itself. */
const WORK_TIMEOUT_MS = 30_000;
/** How long a work waits for a database that cannot be reached. */
const PATIENCE_MS = 8_000;

// The same words in SQLite and PostgreSQL.
const SAVEPOINT = CompiledQuery.raw("savepoint work");
const RELEASE = CompiledQuery.raw("release savepoint work");
const ROLL_BACK = CompiledQuery.raw("rollback to savepoint work");

export interface SequencerOptions {
  readonly store: Store;
  readonly entries: EntryGroupOptions;
  /** Works that share a transaction may take this long together, milliseconds; 30 000 unless given. */
  readonly workTimeoutMs: number | undefined;
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

/** A transaction that did not come to its end. */
interface FailedGroup {
  readonly transaction: ControlledTransaction<Database> | undefined;
  /** Where the database is shared: by which its outcome can be asked for. */
  readonly transactionId: string | undefined;
  readonly jobs: readonly Job[];
  /** Tells the works whose part went well. */
  readonly settled: readonly (() => void)[];
}

/**
 * Works that are waiting at the same time share one database transaction, each with a savepoint of its own, so one that
 * throws fails alone. `commit` resolves when all of it is on disk: the state, the entries, and a signed checkpoint that
 * includes them.
 */
export class Sequencer implements Committer {
  readonly #options: SequencerOptions;
  readonly #log: KnownLog;
  readonly #recent: RecentEntries;
  readonly #queue: Job[] = [];
  #pumping: Promise<void> | undefined;
  #stopped: CoordinatorError | undefined;

  constructor(options: SequencerOptions, log: KnownLog, recent: RecentEntries) {
    this.#options = options;
    this.#log = log;
    this.#recent = recent;
  }

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

  /** Waits for the works under way and takes no more. */
  async close(): Promise<void> {
    this.#stopped ??= new CoordinatorError("LEDGER_STOPPED", "expected an open ledger, this one is closed");
    await this.#pumping;
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      try {
        this.#log.stampMs();
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
      if (this.#options.store.isShared) transactionId = await this.#log.takeTurn(transaction);
      const timeMs = this.#log.stampMs();
      const group = new EntryGroup(this.#options.entries, this.#log.aheadView, timeMs);
      for (
        let job = this.#queue.shift();
        job !== undefined;
        job = jobs.length < GROUP_WORKS ? this.#queue.shift() : undefined
      ) {
        jobs.push(job);
        const settle = await this.#runJob(job, transaction, group, watchdog);
        if (settle !== undefined) settled.push(settle);
      }
      const checkpoint = await this.#log.sign(transaction, group.entries, group.view);
      await transaction.commit().execute();
      for (const { index, entry } of group.entries) this.#recent.add(index, entry);
      this.#log.publish(group.entries, checkpoint, timeMs);
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
          timeMs: group.timeMs,
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
      await group.rollBackTo(mark, async () => (await readLog(transaction, this.#options.entries.origin)).aheadView);
      job.reject(cause);
      return undefined;
    }
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
      await this.#log.reload();
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
          await this.#log.reload();
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
}

function isCorrupt(cause: unknown): boolean {
  return cause instanceof CoordinatorError && cause.code === "LEDGER_CORRUPT";
}

function stoppedBy(cause: unknown): CoordinatorError {
  return new CoordinatorError(
    "LEDGER_STOPPED",
    "expected to go on after a failed write, but the disk or the database can no longer be trusted; look at the disk, then restart",
    { cause },
  );
}
