import { join } from "node:path";
import { type Rotation, SubjectVault, type VaultStore } from "@fedloop/consent";
import { CoordinatorError } from "../errors.js";
import { KekFiles } from "./kek-files.js";
import type { PostgresVaultStore } from "./postgres-vault-store.js";
import { SqliteVaultStore } from "./sqlite-vault-store.js";

/** What a vault keeps its wraps in. Which key-encryption key is current stands in the same place. */
export interface WrapStore extends VaultStore {
  /** How many subjects have a key under each key-encryption key. */
  counts(): Promise<ReadonlyMap<string, number>> | ReadonlyMap<string, number>;
  /** Name of the key-encryption key that new wraps are made under; undefined in a new vault. */
  currentKek(): Promise<string | undefined> | string | undefined;
  /** Turns to another key-encryption key; a wrap under the one before is not taken any more. */
  turnTo(kek: string): Promise<void> | void;
  /** Removes what is left of deleted wraps; false when something was in the way. */
  scrub(): Promise<boolean>;
  close(): void;
}

export interface VaultPlaces {
  /** Folder of the wraps; not to be backed up together with the data folder. */
  readonly vaultDir: string;
  /** Folder of the key-encryption keys. */
  readonly keyDir: string;
}

/** Where the vault of a data folder lies, unless the configuration says otherwise. */
export function vaultPlaces(dataDir: string, vaultDir: string = join(dataDir, "vault")): VaultPlaces {
  return { vaultDir, keyDir: join(dataDir, "keys", "vault") };
}

/** How a rotation of the key-encryption key went. */
export interface KeyRotation extends Rotation {
  /** Number of the key that is in force now. */
  readonly current: string;
  /** Numbers of the keys that were destroyed. */
  readonly destroyed: readonly string[];
  /** Whether an earlier rotation was found half done, and was completed instead of beginning a new one. */
  readonly resumed: boolean;
}

/** The steps of a rotation. It may end at any of them, also by loss of power; the next call goes on. */
export type RotationStep = "key made" | "turned" | "wraps renewed" | "old key destroyed";

/** The subject keys of a coordinator's participants, by device id, and the keys that they are wrapped under. */
export class Vault {
  readonly subjects: SubjectVault;
  readonly #store: WrapStore;
  readonly #keks: KekFiles;

  private constructor(store: WrapStore, keks: KekFiles) {
    this.#store = store;
    this.#keks = keks;
    this.subjects = new SubjectVault(store, {
      current: async () => (await store.currentKek()) ?? "",
      key: async (name) => keks.get(name),
    });
  }

  /**
   * Opens the vault, and makes it with its first key-encryption key where there is none.
   *
   * @throws CoordinatorError STORE_UNREADABLE, FILE_UNREADABLE
   */
  static async open({ vaultDir, keyDir }: VaultPlaces): Promise<Vault> {
    const store = SqliteVaultStore.open(join(vaultDir, "vault.sqlite"));
    return Vault.#opened(store, new KekFiles(keyDir));
  }

  /** A vault in a database that coordinators share. @param keyDir folder of the key-encryption keys, shared likewise */
  static shared(store: PostgresVaultStore, keyDir: string): Promise<Vault> {
    // Two coordinators that start at once must not each make the first key.
    return store.alone(() => Vault.#opened(store, new KekFiles(keyDir)));
  }

  /** A vault whose wraps end with the process; its key-encryption keys are files all the same. */
  static inMemory(keyDir: string): Promise<Vault> {
    return Vault.#opened(SqliteVaultStore.open(":memory:"), new KekFiles(keyDir));
  }

  static async #opened(store: WrapStore, keks: KekFiles): Promise<Vault> {
    if ((await store.currentKek()) === undefined) {
      // A vault that was lost leaves its keys: the new one does not begin under a key that wraps in a backup have.
      const first = String((keks.numbers().at(-1) ?? 0) + 1);
      await keks.make(first);
      await store.turnTo(first);
    }
    const current = (await store.currentKek()) ?? "";
    if (keks.get(current) === undefined) {
      store.close();
      throw new CoordinatorError(
        "VAULT_KEY_LOST",
        `expected the vault's key-encryption key ${current}.key, it is gone; restore it from your backup of the keys, or move the vault folder away to go on without the subject keys in it`,
      );
    }
    return new Vault(store, keks);
  }

  /** Number of the key-encryption key in force. */
  async currentKek(): Promise<string> {
    return (await this.#store.currentKek()) ?? "";
  }

  /** How many subjects have a key under each key-encryption key. */
  async counts(): Promise<ReadonlyMap<string, number>> {
    return this.#store.counts();
  }

  /** Whether a rotation was begun and not completed. */
  async isRotating(): Promise<boolean> {
    const current = await this.currentKek();
    return this.#keks.numbers().some((number) => String(number) !== current) || (await this.counts()).size > 1;
  }

  /**
   * Replaces the key-encryption key: a new one is made, every subject key is wrapped anew, the old one is destroyed. A
   * coordinator may run meanwhile. A rotation that was interrupted is completed.
   *
   * @param onStep told after each step; a fault that it throws ends the rotation there
   * @throws LedgerError KEY_LOST, BAD_CIPHERTEXT; CoordinatorError FILE_UNREADABLE; the signal's reason
   */
  async rotate(
    options: { readonly signal?: AbortSignal; readonly onStep?: (step: RotationStep) => void } = {},
  ): Promise<KeyRotation> {
    const { signal, onStep } = options;
    const before = await this.currentKek();
    const newest = String(this.#keks.numbers().at(-1) ?? before);
    const resumed = await this.isRotating();
    const isTurned = resumed && newest === before;
    if (!isTurned) {
      const next = newest === before ? String(Number(before) + 1) : newest;
      await this.#keks.make(next);
      onStep?.("key made");
      await this.#store.turnTo(next);
      onStep?.("turned");
    }
    const current = await this.currentKek();
    let rotation: Rotation = { rewrapped: 0, alreadyCurrent: 0 };
    // A wrap that was being made when the key turned may have come after the list.
    do {
      const { rewrapped, alreadyCurrent } = await this.subjects.rotate(signal);
      rotation = { rewrapped: rotation.rewrapped + rewrapped, alreadyCurrent };
    } while ([...(await this.counts()).keys()].some((name) => name !== current));
    await this.#store.scrub();
    onStep?.("wraps renewed");
    const destroyed = this.#keks
      .numbers()
      .map(String)
      .filter((name) => name !== current);
    for (const name of destroyed) {
      await this.#keks.destroy(name);
      onStep?.("old key destroyed");
    }
    return { ...rotation, current, destroyed, resumed };
  }

  /** Every subject key, in no order that means anything. @throws LedgerError KEY_LOST, BAD_CIPHERTEXT */
  async *keys(signal?: AbortSignal): AsyncIterable<Uint8Array> {
    for await (const subjectId of this.#store.list()) {
      signal?.throwIfAborted();
      const key = await this.subjects.find(subjectId);
      if (key !== undefined) yield key;
    }
  }

  /** Empties the write-ahead log of the wraps; false when a reader was in the way. */
  scrub(): Promise<boolean> {
    return this.#store.scrub();
  }

  close(): void {
    this.#store.close();
  }
}
