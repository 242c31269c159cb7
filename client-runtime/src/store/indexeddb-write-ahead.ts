// A write-ahead list in the browser's own database, which all tabs have open at the same time.
import { ClientError } from "../errors.js";
import { committed, openDatabase, settled } from "./database.js";
import type { AheadEntry, WriteAhead } from "./write-ahead.js";

/** What a list may be told. */
export interface IndexedDbWriteAheadOptions {
  /**
   * When an append counts as kept: "relaxed" once the browser has it, which outlives any page; "strict" once the disk has it,
   * which outlives a power failure and takes longer. "relaxed" unless given.
   */
  readonly durability?: "relaxed" | "strict";
  /** The platform's unless given. */
  readonly indexedDB?: IDBFactory;
}

const ENTRIES = "ahead";

function failed(verb: string, cause: unknown): ClientError {
  return new ClientError(
    "STORE_FAILED",
    `could not ${verb} the write-ahead list; is there room, and storage allowed?`,
    {
      cause,
    },
  );
}

class IndexedDbWriteAhead implements WriteAhead {
  readonly #database: IDBDatabase;
  readonly #durability: "relaxed" | "strict";
  readonly #channel: BroadcastChannel;
  readonly #listeners = new Set<() => void>();

  constructor(database: IDBDatabase, channel: BroadcastChannel, durability: "relaxed" | "strict") {
    this.#database = database;
    this.#channel = channel;
    this.#durability = durability;
    channel.onmessage = () => this.#tell();
  }

  async append(bytes: Uint8Array): Promise<void> {
    try {
      const transaction = this.#database.transaction(ENTRIES, "readwrite", { durability: this.#durability });
      transaction.objectStore(ENTRIES).add(bytes.slice());
      // Without it the page itself would have to live until the request is answered.
      transaction.commit();
      await committed(transaction);
    } catch (cause) {
      throw failed("append to", cause);
    }
    this.#channel.postMessage(null);
    this.#tell();
  }

  async entries(afterKey: number): Promise<readonly AheadEntry[]> {
    try {
      const store = this.#database.transaction(ENTRIES, "readonly").objectStore(ENTRIES);
      const range = IDBKeyRange.lowerBound(afterKey, true);
      const [keys, values] = await Promise.all([settled(store.getAllKeys(range)), settled(store.getAll(range))]);
      return keys.flatMap((key, at): AheadEntry[] => {
        const bytes: unknown = values[at];
        return typeof key === "number" && bytes instanceof Uint8Array ? [{ key, bytes }] : [];
      });
    } catch (cause) {
      throw failed("read", cause);
    }
  }

  async clear(upToKey: number): Promise<void> {
    try {
      const transaction = this.#database.transaction(ENTRIES, "readwrite", { durability: this.#durability });
      transaction.objectStore(ENTRIES).delete(IDBKeyRange.upperBound(upToKey));
      await committed(transaction);
    } catch (cause) {
      throw failed("delete from", cause);
    }
  }

  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#channel.close();
    this.#database.close();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/**
 * Opens a list in IndexedDB.
 *
 * @param name of its database: another one than the store's, the same in all tabs
 * @throws ClientError STORE_FAILED
 */
export async function indexedDbWriteAhead(
  name: string,
  { durability = "relaxed", indexedDB = globalThis.indexedDB }: IndexedDbWriteAheadOptions = {},
): Promise<WriteAhead> {
  try {
    const database = await openDatabase(indexedDB, name, ENTRIES, { autoIncrement: true });
    return new IndexedDbWriteAhead(database, new BroadcastChannel(`fedloop/${name}`), durability);
  } catch (cause) {
    throw failed("open", cause);
  }
}
