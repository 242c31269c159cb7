// A store in the browser's own database, for one tab at a time.
import { ClientError } from "../errors.js";
import { committed, openDatabase, settled } from "./database.js";
import type { DeviceStore } from "./device-store.js";
import { checkKey } from "./memory.js";
import { type TabLockOptions, type TabTurn, takeTabLock } from "./tab-lock.js";

/** What an IndexedDB store may be told. */
export interface IndexedDbStoreOptions extends Pick<TabLockOptions, "locks" | "indexedDB" | "leaseMs"> {
  /**
   * How long to wait, in milliseconds, while another tab has the store open; Infinity waits until it closes. A page that
   * was just reloaded finds its former self still closing, so the default is 5 000.
   */
  readonly waitMs?: number;
}

const WAIT_MS = 5_000;
const VALUES = "values";
/** Where the values say whose they are. No value has a number for its name. */
const OWNER = 0;

function failed(verb: string, cause: unknown): ClientError {
  if (cause instanceof ClientError) return cause;
  return new ClientError("STORE_FAILED", `could not ${verb} the device store; is there room, and storage allowed?`, {
    cause,
  });
}

interface Opened {
  readonly database: IDBDatabase;
  readonly release: () => void;
  /** What the values have to name as their owner, where another tab may take the store unasked; null where none can. */
  readonly owner: string | null;
}

class IndexedDbStore implements DeviceStore {
  readonly #name: string;
  readonly #options: IndexedDbStoreOptions;
  #opened: Promise<Opened> | undefined;
  #closed = false;

  constructor(name: string, options: IndexedDbStoreOptions) {
    this.#name = name;
    this.#options = options;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const { values: store } = await this.#values("readonly", "read");
    try {
      const value: unknown = await settled(store.get(key));
      return value instanceof Uint8Array ? value : undefined;
    } catch (cause) {
      throw failed("read", cause);
    }
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    checkKey(key);
    // A copy now, without what else lies in its buffer: the caller may change the bytes while the database opens.
    const value = bytes.slice();
    await this.#change("write", (values) => values.put(value, key));
  }

  async delete(key: string): Promise<void> {
    await this.#change("delete from", (values) => values.delete(key));
  }

  async keys(prefix: string): Promise<string[]> {
    const { values: store } = await this.#values("readonly", "list");
    try {
      const keys = await settled(store.getAllKeys());
      return keys.filter((key) => typeof key === "string").filter((key) => key.startsWith(prefix));
    } catch (cause) {
      throw failed("list", cause);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const opened = await this.#opened?.catch(() => undefined);
    opened?.database.close();
    opened?.release();
  }

  /** Changes the values, unless they are another tab's by now: one transaction sees that and writes. */
  async #change(verb: string, change: (values: IDBObjectStore) => unknown): Promise<void> {
    const { values, owner } = await this.#values("readwrite", verb);
    try {
      if (owner !== null && (await settled(values.get(OWNER))) !== owner) {
        values.transaction.abort();
        throw new ClientError("STORE_BUSY", "expected a store that is still this tab's, another one has it; reload");
      }
      change(values);
      await committed(values.transaction);
    } catch (cause) {
      throw failed(verb, cause);
    }
  }

  async #values(mode: IDBTransactionMode, verb: string): Promise<{ values: IDBObjectStore; owner: string | null }> {
    if (this.#closed) throw new ClientError("STORE_FAILED", "expected an open store, this one was closed");
    this.#opened ??= this.#open();
    try {
      const { database, owner } = await this.#opened;
      // Durable before it counts: a charge that a crash forgets would be a budget overrun.
      return { values: database.transaction(VALUES, mode, { durability: "strict" }).objectStore(VALUES), owner };
    } catch (cause) {
      this.#opened = undefined;
      throw failed(verb, cause);
    }
  }

  async #open(): Promise<Opened> {
    const { release, mayExpire } = await exclusive(this.#name, this.#options);
    try {
      const database = await openDatabase(this.#options.indexedDB ?? globalThis.indexedDB, this.#name, VALUES);
      return { database, release, owner: mayExpire ? await ownedBy(database) : null };
    } catch (cause) {
      release();
      throw cause;
    }
  }
}

/** Makes the values this tab's: whoever had them before writes no more. @returns their owner's name */
async function ownedBy(database: IDBDatabase): Promise<string> {
  const owner = crypto.randomUUID();
  const transaction = database.transaction(VALUES, "readwrite", { durability: "strict" });
  transaction.objectStore(VALUES).put(owner, OWNER);
  await committed(transaction);
  return owner;
}

/** Takes the name for this tab. */
async function exclusive(name: string, { waitMs = WAIT_MS, ...options }: IndexedDbStoreOptions): Promise<TabTurn> {
  const patience = new AbortController();
  const timer = Number.isFinite(waitMs) ? setTimeout(() => patience.abort(), waitMs) : undefined;
  try {
    return await takeTabLock(name, { ...options, signal: patience.signal });
  } catch (cause) {
    throw new ClientError("STORE_BUSY", "expected a store that no other tab has open; close that one, or wait", {
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A store in IndexedDB. One tab has it open at a time, from its first use until `close` or the end of the page, since a
 * participant is one device: others meet STORE_BUSY after `waitMs`. Without Web Locks a page that was frozen for longer than its
 * lease meets it, too, with its next write, when another tab has taken the store meanwhile.
 *
 * @param name of the database; one for each participant
 */
export function indexedDbStore(name: string, options: IndexedDbStoreOptions = {}): DeviceStore {
  return new IndexedDbStore(name, options);
}

/** Deletes a store's database, once every tab has closed it. What it held is gone. */
export async function deleteIndexedDbStore(
  name: string,
  { indexedDB = globalThis.indexedDB }: Pick<IndexedDbStoreOptions, "indexedDB"> = {},
): Promise<void> {
  await settled(indexedDB.deleteDatabase(name));
}
