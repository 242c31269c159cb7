import { mkdir, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Config, ConfigEnvironment } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { CoordinatorError } from "../errors.js";
import { connectNats } from "../messaging/connect.js";
import { ArtifactStore } from "../models/artifact-store.js";
import type { ContentStore } from "../models/content-store.js";
import { bucketOf, ObjectStoreArtifacts } from "../models/object-store-artifacts.js";
import { openVault, type StoragePlaces, storeLocation } from "../server/storage.js";
import type { Store } from "../store/database.js";
import { openPostgresStore } from "../store/postgres.js";
import { moveVault } from "../vault/move-vault.js";
import { PostgresVaultStore } from "../vault/postgres-vault-store.js";
import type { Vault } from "../vault/vault.js";
import { ARCHIVED_KEYS, type BackupProgress, hasCoordinator } from "./archive.js";
import { copyToPostgres, requireEmpty } from "./copy-tables.js";
import { moveFile, syncFolders } from "./durable-move.js";

/** Where a backup is put: a data folder, or a database that coordinators share. */
export interface RestoreTarget extends AsyncDisposable {
  /** For messages. */
  readonly location: string;
  /** The vault that goes with what is restored. @param aside what was taken out of the backup, open */
  openVault(aside: Store): Promise<Vault>;
  /**
   * Puts what lies in a folder (`fedloop.sqlite`, `keys`, `artifacts`) in place, the database last: until it is there a
   * restore may begin anew.
   */
  put(aside: string, onProgress: BackupProgress, signal: AbortSignal): Promise<void>;
}

/** @throws CoordinatorError CONFLICT where there are data already; STORE_UNREADABLE, UNREACHABLE */
export async function openRestoreTarget(config: Config, environment: ConfigEnvironment): Promise<RestoreTarget> {
  const places = await storagePlaces(config, environment);
  const location = storeLocation(places);
  if (location.type === "sqlite") return dataFolder(config, places);
  const store = await openPostgresStore(location.url);
  const close = (): Promise<void> => store.close();
  try {
    await requireEmpty(store, store.location);
  } catch (cause) {
    await close();
    throw cause;
  }
  return {
    location: store.location,
    async openVault() {
      await moveVault(config.vaultDir, new PostgresVaultStore(store.db));
      return openVault(places, store);
    },
    async put(aside, onProgress, signal) {
      await putKeys(aside, config);
      await putArtifacts(aside, config, onProgress, signal);
      await copyToPostgres(join(aside, "fedloop.sqlite"), store, (table, rows) => onProgress(table, rows), signal);
    },
    [Symbol.asyncDispose]: close,
  };
}

function dataFolder(config: Config, places: StoragePlaces): RestoreTarget {
  const { dataDir, keysDir } = config;
  if (hasCoordinator(dataDir)) {
    throw new CoordinatorError(
      "CONFLICT",
      `expected no coordinator's data in ${dataDir}; move them away first, never delete them`,
    );
  }
  return {
    location: dataDir,
    openVault: (aside) => openVault(places, aside),
    async put(aside, onProgress, signal) {
      await putKeys(aside, config);
      await putArtifacts(aside, config, onProgress, signal);
      await rename(join(aside, "fedloop.sqlite"), join(dataDir, "fedloop.sqlite"));
      await syncFolders([keysDir, dataDir]);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** @throws CoordinatorError CONFLICT where there are other keys: whoever has lost those can write their log no more */
async function putKeys(aside: string, { keysDir }: Config): Promise<void> {
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  for (const name of ARCHIVED_KEYS) {
    const [from, to] = [join(aside, "keys", name), join(keysDir, name)];
    const there = await readFile(to).catch(() => undefined);
    if (there?.equals(await readFile(from)) === true) continue;
    if (there !== undefined) {
      throw new CoordinatorError("CONFLICT", `expected the backup's key at ${to}, or none, came another; move it away`);
    }
    await moveFile(from, to);
  }
}

/** What is there already under the same hash is the same; what else is there stays. */
async function putArtifacts(
  aside: string,
  { nats, origin, artifactsDir }: Config,
  onProgress: BackupProgress,
  signal: AbortSignal,
): Promise<void> {
  const folder = join(aside, "artifacts");
  await mkdir(folder, { recursive: true });
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const putAll = async (store: Pick<ContentStore, "put">): Promise<void> => {
    for (const [at, path] of files.entries()) {
      await store.put(await readFile(path), { signal });
      onProgress("artifacts", at + 1, files.length);
    }
  };
  if (nats === null) return putAll(await ArtifactStore.open(artifactsDir, { isShared: true }));
  const connection = await connectNats(nats, "fedloop command");
  try {
    const cache = await ArtifactStore.open(join(aside, "cache"));
    await putAll(await ObjectStoreArtifacts.open(connection, bucketOf(origin), cache));
  } finally {
    await connection.close();
  }
}
