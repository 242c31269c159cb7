// What several tabs leave for the one that has the store open, and what one leaves for itself should it be killed.

/** One piece of a write-ahead list. Later ones have higher keys. */
export interface AheadEntry {
  readonly key: number;
  readonly bytes: Uint8Array;
}

/**
 * A list that any number of tabs append to at the same time, and that one of them reads and clears. Failures are `ClientError`
 * STORE_FAILED.
 */
export interface WriteAhead {
  /**
   * Appends. Once the list has been read or appended to, the write is on its way before the call returns: a page that dies
   * in the next moment does not take it along. The promise is done when it is kept.
   */
  append(bytes: Uint8Array): Promise<void>;
  /** What was appended behind a key, in order; all for 0. Nothing with a lower key is added once a key was read. */
  entries(afterKey: number): Promise<readonly AheadEntry[]>;
  /** Deletes what has a key up to this one. */
  clear(upToKey: number): Promise<void>;
  /**
   * Calls back when something was appended here or in another tab.
   *
   * @returns what ends it
   */
  onAppend(listener: () => void): () => void;
  close(): Promise<void>;
}

/** A list in memory, for tests and for apps of one page that do not mind losing what waits. */
export function memoryWriteAhead(): WriteAhead {
  let entries: AheadEntry[] = [];
  let last = 0;
  const listeners = new Set<() => void>();
  return {
    async append(bytes) {
      last += 1;
      entries.push({ key: last, bytes: bytes.slice() });
      for (const listener of listeners) queueMicrotask(listener);
    },
    entries: async (afterKey) => entries.filter(({ key }) => key > afterKey),
    async clear(upToKey) {
      entries = entries.filter(({ key }) => key > upToKey);
    },
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      listeners.clear();
    },
  };
}
