// Values at rest that only who holds the key can read or change.
import { ClientError } from "../errors.js";
import type { DeviceStore } from "./device-store.js";

const NONCE_BYTES = 12;

/** What a store's values are sealed with: AES-256-GCM (NIST SP 800-38D) under random nonces of 96 bits. */
export type SealingKey = CryptoKey;

/** A key that never leaves WebCrypto. A browser keeps it in IndexedDB; it cannot be read out, only used. */
export function generateSealingKey(): Promise<SealingKey> {
  return crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

/** A sealing key of 32 bytes that the app keeps, for example in the system's key chain. @throws ClientError BAD_OPTION */
export async function importSealingKey(bytes: Uint8Array): Promise<SealingKey> {
  if (bytes.length !== 32) throw new ClientError("BAD_OPTION", `expected a key of 32 bytes, came ${bytes.length}`);
  return crypto.subtle.importKey("raw", bytes.slice(), "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** A name as its UTF-16 code units: UTF-8 would write all unpaired surrogates as one. */
function nameBytes(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint16Array.from({ length: name.length }, (_, i) => name.charCodeAt(i)).buffer);
}

/** Seals bytes under a name: they open under that name only. */
export async function seal(key: SealingKey, name: string, bytes: Uint8Array): Promise<Uint8Array> {
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const algorithm = { name: "AES-GCM", iv, additionalData: nameBytes(name) };
  const encrypted = new Uint8Array(await crypto.subtle.encrypt(algorithm, key, new Uint8Array(bytes)));
  const sealed = new Uint8Array(NONCE_BYTES + encrypted.length);
  sealed.set(iv);
  sealed.set(encrypted, NONCE_BYTES);
  return sealed;
}

/** @throws ClientError STORE_CORRUPT when the bytes were changed, or sealed under another key or name */
export async function unseal(key: SealingKey, name: string, sealed: Uint8Array): Promise<Uint8Array> {
  const iv = sealed.slice(0, NONCE_BYTES);
  const algorithm = { name: "AES-GCM", iv, additionalData: nameBytes(name) };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, sealed.slice(NONCE_BYTES)));
  } catch (cause) {
    throw new ClientError("STORE_CORRUPT", "expected a value sealed under this key, came another; restore the store", {
      cause,
    });
  }
}

/**
 * A store whose values lie sealed in another one. Keys of the store stay readable: they are names such as
 * "population/state".
 */
export function sealedStore(store: DeviceStore, key: SealingKey): DeviceStore {
  return {
    async get(name) {
      const sealed = await store.get(name);
      return sealed === undefined ? undefined : unseal(key, name, sealed);
    },
    put: async (name, bytes) => store.put(name, await seal(key, name, bytes)),
    delete: (name) => store.delete(name),
    keys: (prefix) => store.keys(prefix),
    close: () => store.close(),
  };
}
