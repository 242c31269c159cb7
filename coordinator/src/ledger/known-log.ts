import {
  type ConsentView,
  coordinatorActor,
  decodeBase64Url,
  type Entry,
  equalBytes,
  leafHash,
  type MerkleTree,
  type NoteSigner,
  type Signer,
  signCheckpoint,
} from "@fedloop/consent";

import type { ControlledTransaction } from "kysely";
import { CoordinatorError } from "../errors.js";
import type { Database, Store, StoreTransaction } from "../store/database.js";
import type { ParsedAppended } from "./entry-group.js";
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
import { lockLog } from "./shared-log.js";

/** A clock may step back this far (an adjustment by NTP) before the coordinator refuses to stamp entries with it. */
const CLOCK_STEP_MS = 60_000;

export interface KnownLogOptions {
  readonly store: Store;
  /** The log's name. */
  readonly origin: string;
  /** Signs the coordinator's entries. */
  readonly operatorSigner: Signer;
  /** Signs checkpoints; its name is the origin. */
  readonly noteSigner: NoteSigner;
  readonly clock: { now(): number };
  /** Stops the reading of a long log. */
  readonly signal?: AbortSignal;
}

/**
 * What this process knows of the log: its tree, who consents to what, and the newest signed state. It never goes back: a
 * database that says less, or something else, than was known before is corrupt.
 */
export class KnownLog {
  readonly #options: KnownLogOptions;
  readonly #listeners = new Set<() => void>();
  #tree: MerkleTree;
  #view: ConsentView;
  #aheadView: ConsentView;
  #checkpoint: SignedCheckpoint;
  #lastTimeMs: number;

  private constructor(options: KnownLogOptions, state: LogState, checkpoint: SignedCheckpoint) {
    this.#options = options;
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
  static async open(options: KnownLogOptions): Promise<KnownLog> {
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
      if (numInsertedOrUpdatedRows === 0n) return KnownLog.open(options);
    }
    await checkCheckpoint(checkpoint, state.tree, noteSigner.vkey);
    const key = state.view.actor(coordinatorActor)?.key;
    if (key !== undefined && !equalBytes(decodeBase64Url(key), operatorSigner.publicKey)) {
      throw corrupt("expected the operator key that signed this log's entries, came another key");
    }
    checkClock(clock.now(), state.lastTimeMs);
    return new KnownLog(options, state, checkpoint);
  }

  /** Number of entries, all of them durable and in the checkpoint. */
  get size(): number {
    return this.#checkpoint.size;
  }

  /** Time of the coordinator's last entry, milliseconds since the epoch; 0 in an empty log. */
  get lastTimeMs(): number {
    return this.#lastTimeMs;
  }

  get tree(): MerkleTree {
    return this.#tree;
  }

  get view(): ConsentView {
    return this.#view;
  }

  /** Goes ahead of `view` by the entries of the transaction under way. */
  get aheadView(): ConsentView {
    return this.#aheadView;
  }

  get checkpoint(): SignedCheckpoint {
    return this.#checkpoint;
  }

  /** Calls back whenever more entries are known. @returns what ends that */
  onGrowth(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What an entry made now is stamped with: never before the last one. @throws CoordinatorError CLOCK_BEHIND */
  stampMs(): number {
    const now = this.#options.clock.now();
    checkClock(now, this.#lastTimeMs);
    return Math.max(now, this.#lastTimeMs);
  }

  /** Appends a transaction's entries to the tree and, where there are any, stores a signed checkpoint over them. */
  async sign(
    transaction: ControlledTransaction<Database>,
    entries: readonly ParsedAppended[],
    aheadView: ConsentView,
  ): Promise<SignedCheckpoint> {
    this.#aheadView = aheadView;
    const before = this.#checkpoint;
    if (entries.length === 0) return before;
    for (const { leafHash } of entries) this.#tree.append(leafHash);
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

  /** The transaction is durable. */
  publish(entries: readonly ParsedAppended[], checkpoint: SignedCheckpoint, timeMs: number): void {
    for (const { index, parsed } of entries) this.#view.apply(index, parsed);
    this.#checkpoint = checkpoint;
    if (entries.length === 0) return;
    this.#lastTimeMs = timeMs;
    this.#tell();
  }

  /** Reads everything anew, after a transaction that failed. @throws CoordinatorError LEDGER_CORRUPT */
  async reload(): Promise<void> {
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
    if (checkpoint.size > known.size) this.#tell();
  }

  /** Has the log to itself until the transaction ends, and knows all of it. @returns the transaction's id */
  async takeTurn(transaction: StoreTransaction): Promise<string> {
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
    this.#tell();
    return transactionId;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function forked({ size }: SignedCheckpoint): CoordinatorError {
  return corrupt(`expected a log that begins with the ${size} entries that are signed, the database has another`);
}

function checkClock(nowMs: number, lastMs: number): void {
  if (nowMs >= lastMs - CLOCK_STEP_MS) return;
  throw new CoordinatorError(
    "CLOCK_BEHIND",
    `expected a time after the last entry's, ${new Date(lastMs).toISOString()}, came ${new Date(nowMs).toISOString()}; set the clock`,
  );
}
