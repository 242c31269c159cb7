import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Store } from "../store/database.js";
import { openStore, type StoreLocation } from "../store/location.js";
import { moveSubjectKeys } from "../vault/move-subject-keys.js";
import { PostgresVaultStore } from "../vault/postgres-vault-store.js";
import { Vault, vaultPlaces } from "../vault/vault.js";

/** Where a coordinator keeps what must outlive it. */
export interface StoragePlaces {
  /** Folder of what is this process's own. */
  readonly dataDir: string;
  /** Folder of the keys, the same for all coordinators of a log; inside the data folder unless given. */
  readonly keysDir?: string | undefined;
  /** Folder of the subject vault, where the store is a file; inside the data folder unless given. */
  readonly vaultDir?: string | undefined;
  /** Folder of models and sums, the same for all coordinators of a log; inside the data folder unless given. */
  readonly artifactsDir?: string | undefined;
  /** A file in the data folder unless given. */
  readonly store?: StoreLocation | undefined;
}

export interface Storage {
  readonly store: Store;
  readonly vault: Vault;
}

/** The folder of the keys. */
export function keysFolder({ dataDir, keysDir }: StoragePlaces): string {
  return keysDir ?? join(dataDir, "keys");
}

/** The store that the places name, or else the one in the data folder. */
export function storeLocation({ dataDir, store }: StoragePlaces): StoreLocation {
  return store ?? { type: "sqlite", path: join(dataDir, "fedloop.sqlite") };
}

/** Opens the vault that belongs to a store. @param store open where it is a shared one: its vault lies in it */
export function openVault(places: StoragePlaces, store: Pick<Store, "db" | "isShared">): Promise<Vault> {
  const keyDir = join(keysFolder(places), "vault");
  if (store.isShared) return Vault.shared(new PostgresVaultStore(store.db), keyDir);
  return Vault.open({ ...vaultPlaces(places.dataDir, places.vaultDir), keyDir });
}

/**
 * Opens store and vault together.
 *
 * @throws CoordinatorError STORE_LOCKED, STORE_TOO_NEW, STORE_UNREADABLE, VAULT_KEY_LOST
 */
export async function openStorage(places: StoragePlaces): Promise<Storage> {
  await mkdir(places.dataDir, { recursive: true, mode: 0o700 });
  const store = await openStore(storeLocation(places));
  let vault: Vault | undefined;
  try {
    vault = await openVault(places, store);
    await moveSubjectKeys(store, vault);
    return { store, vault };
  } catch (cause) {
    // Whoever tries again, in this process too, finds the folder free.
    vault?.close();
    await store.close();
    throw cause;
  }
}
