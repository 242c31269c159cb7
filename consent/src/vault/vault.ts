// The vault: one random key per subject, outside the log and its backups, each wrapped under a key-encryption key that
// rotates. Whoever destroys a subject's wrap makes all that was encrypted under its key unreadable, and leaves every
// hash and signature of the log as it was.
import { decodeBase64Url, encodeBase64Url, encodeUtf8 } from "../crypto/encoding.js";
import { LedgerError } from "../errors.js";
import { subjectPseudonym } from "../records/pseudonym.js";
import { freshKey, open, seal } from "./aead.js";

/** A subject key as the vault keeps it. */
export interface WrappedKey {
  /** Name of the key-encryption key. */
  readonly kek: string;
  /** Nonce, ciphertext and tag, base64url. */
  readonly wrapped: string;
}

/** Where wraps are kept. Every call is durable when it returns. */
export interface VaultStore {
  get(subjectId: string): Promise<WrappedKey | undefined>;
  /**
   * Puts a wrap in the place of another one, or of none, and answers whether it did: not when something else is there,
   * nor when wraps under its key-encryption key are no longer taken. So nothing that was destroyed comes back, and no
   * key-encryption key is destroyed under a wrap that is being made.
   */
  put(subjectId: string, key: WrappedKey, before: WrappedKey | undefined): Promise<boolean>;
  /** Removes every copy that the store has. Removing what is not there is no error. */
  delete(subjectId: string): Promise<void>;
  /** Ids of all subjects, in any order; wraps may be put while it runs. */
  list(): AsyncIterable<string>;
}

/** The key-encryption keys at hand, by name. They are kept apart from the store. */
export interface KeyEncryptionKeys {
  /** Name of the one that new wraps are made under. */
  current(): Promise<string>;
  /** 32 bytes, or undefined where the key is not (or no longer) at hand. */
  key(name: string): Promise<Uint8Array | undefined>;
}

/** How a rotation went. */
export interface Rotation {
  readonly rewrapped: number;
  readonly alreadyCurrent: number;
}

function context(subjectId: string, kek: string): Uint8Array {
  return encodeUtf8(`fedloop-vault/v1\n${kek}\n${subjectId}`);
}

/** Keeps subject keys. Subject ids are the operator's own and never enter the log. */
export class SubjectVault {
  readonly #store: VaultStore;
  readonly #keys: KeyEncryptionKeys;

  constructor(store: VaultStore, keys: KeyEncryptionKeys) {
    this.#store = store;
    this.#keys = keys;
  }

  /**
   * The key of a subject, made on first use.
   * @throws LedgerError KEY_LOST, BAD_CIPHERTEXT
   */
  async obtain(subjectId: string): Promise<Uint8Array> {
    for (;;) {
      const known = await this.find(subjectId);
      if (known !== undefined) return known;
      const key = freshKey();
      if (await this.#put(subjectId, key, undefined)) return key;
    }
  }

  /**
   * Takes in a key that was made elsewhere. One that the subject has already stays.
   * @throws LedgerError KEY_LOST, BAD_KEY
   */
  async adopt(subjectId: string, key: Uint8Array): Promise<void> {
    while ((await this.#store.get(subjectId)) === undefined && !(await this.#put(subjectId, key, undefined)));
  }

  /**
   * The key of a subject; undefined where there is none, or none any more.
   * @throws LedgerError KEY_LOST when its key-encryption key is not at hand, BAD_CIPHERTEXT when the wrap was changed or
   * belongs to another subject.
   */
  async find(subjectId: string): Promise<Uint8Array | undefined> {
    const wrap = await this.#store.get(subjectId);
    return wrap === undefined ? undefined : this.#unwrap(subjectId, wrap);
  }

  async #unwrap(subjectId: string, { kek: name, wrapped }: WrappedKey): Promise<Uint8Array> {
    const kek = await this.#keys.key(name);
    if (kek === undefined)
      throw new LedgerError("KEY_LOST", `The key-encryption key ${name} is not at hand; restore it to open its wraps.`);
    return open(kek, decodeBase64Url(wrapped), context(subjectId, name));
  }

  /** A subject's pseudonym in a population; undefined where the subject has no key. @throws as {@link find} */
  async pseudonym(subjectId: string, population: string): Promise<string | undefined> {
    const key = await this.find(subjectId);
    return key === undefined ? undefined : subjectPseudonym(key, population);
  }

  /** Destroys the key of a subject. What was encrypted under it can never be read again. */
  async destroy(subjectId: string): Promise<void> {
    await this.#store.delete(subjectId);
  }

  /**
   * Wraps every subject key under the current key-encryption key. It may be interrupted at any step and called again;
   * the old key may be destroyed once a call has completed.
   * @throws LedgerError KEY_LOST, BAD_CIPHERTEXT; the signal's reason when aborted.
   */
  async rotate(signal?: AbortSignal): Promise<Rotation> {
    let rewrapped = 0;
    let alreadyCurrent = 0;
    for await (const subjectId of this.#store.list()) {
      signal?.throwIfAborted();
      const wrap = await this.#store.get(subjectId);
      if (wrap === undefined) continue; // destroyed meanwhile
      if (wrap.kek === (await this.#keys.current())) alreadyCurrent++;
      else if (await this.#put(subjectId, await this.#unwrap(subjectId, wrap), wrap)) rewrapped++;
    }
    return { rewrapped, alreadyCurrent };
  }

  /**
   * Destroys again what the log says was erased: to be called on a vault restored from a backup before anything else.
   * @param erased pseudonyms of the log's `erasure` entries
   * @param populations every population that they may be pseudonyms in
   * @returns ids of the subjects whose keys were destroyed
   */
  async replayErasures(
    erased: ReadonlySet<string>,
    populations: readonly string[],
    signal?: AbortSignal,
  ): Promise<string[]> {
    const destroyed: string[] = [];
    for await (const subjectId of this.#store.list()) {
      signal?.throwIfAborted();
      const key = await this.find(subjectId);
      if (key === undefined) continue;
      if (populations.some((population) => erased.has(subjectPseudonym(key, population)))) {
        await this.destroy(subjectId);
        destroyed.push(subjectId);
      }
    }
    return destroyed;
  }

  /** Pseudonyms in a population of all subjects that still have a key: what an auditor holds against erasures. */
  async pseudonyms(population: string, signal?: AbortSignal): Promise<string[]> {
    const pseudonyms: string[] = [];
    for await (const subjectId of this.#store.list()) {
      signal?.throwIfAborted();
      const pseudonym = await this.pseudonym(subjectId, population);
      if (pseudonym !== undefined) pseudonyms.push(pseudonym);
    }
    return pseudonyms.sort();
  }

  async #put(subjectId: string, key: Uint8Array, before: WrappedKey | undefined): Promise<boolean> {
    const current = await this.#keys.current();
    const kek = await this.#keys.key(current);
    if (kek === undefined)
      throw new LedgerError("KEY_LOST", `The current key-encryption key ${current} is not at hand.`);
    const wrapped = encodeBase64Url(seal(kek, key, context(subjectId, current)));
    return this.#store.put(subjectId, { kek: current, wrapped }, before);
  }
}

/** A vault store in memory. */
export function memoryVaultStore(): VaultStore {
  const wraps = new Map<string, WrappedKey>();
  return {
    get: async (subjectId) => wraps.get(subjectId),
    put: async (subjectId, key, before) => {
      if (wraps.get(subjectId)?.wrapped !== before?.wrapped) return false;
      wraps.set(subjectId, key);
      return true;
    },
    delete: async (subjectId) => {
      wraps.delete(subjectId);
    },
    list: async function* () {
      yield* [...wraps.keys()];
    },
  };
}
