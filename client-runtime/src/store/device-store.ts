/**
 * What a device keeps between runs: small values under keys. A `put` is atomic: after a crash the old value or the
 * new one is there, whole.
 *
 * Failures are `ClientError` STORE_FAILED.
 */
export interface DeviceStore {
  /** A copy that the caller may change, or undefined. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** @param key 1 to 512 characters */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Harmless when there is none. */
  delete(key: string): Promise<void>;
  /** The keys that begin with `prefix`, in ascending order of their UTF-16 code units. */
  keys(prefix: string): Promise<string[]>;
  close(): Promise<void>;
}

/** The longest key, in characters. */
export const MAX_KEY_LENGTH = 512;
