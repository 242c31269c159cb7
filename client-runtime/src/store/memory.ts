import { ClientError } from "../errors.js";
import { type DeviceStore, MAX_KEY_LENGTH } from "./device-store.js";

/** A store that lasts as long as the process: for tests, simulations, and participants that keep nothing. */
export function memoryStore(): DeviceStore {
  const values = new Map<string, Uint8Array>();
  let closed = false;
  const open = (): void => {
    if (closed) throw new ClientError("STORE_FAILED", "expected an open store, this one was closed");
  };
  return {
    async get(key) {
      open();
      return values.get(key)?.slice();
    },
    async put(key, bytes) {
      open();
      checkKey(key);
      values.set(key, bytes.slice());
    },
    async delete(key) {
      open();
      values.delete(key);
    },
    async keys(prefix) {
      open();
      return [...values.keys()].filter((key) => key.startsWith(prefix)).sort();
    },
    async close() {
      closed = true;
      values.clear();
    },
  };
}

/** @throws ClientError STORE_FAILED */
export function checkKey(key: string): void {
  if (key.length === 0 || key.length > MAX_KEY_LENGTH) {
    throw new ClientError("STORE_FAILED", `expected a key of 1 to ${MAX_KEY_LENGTH} characters, came ${key.length}`);
  }
}
