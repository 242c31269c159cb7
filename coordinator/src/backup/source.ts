import { join } from "node:path";
import Sqlite from "better-sqlite3";
import type { Config, ConfigEnvironment } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { CoordinatorError } from "../errors.js";
import { openArtifactReader } from "../models/artifact-reader.js";
import { storeLocation } from "../server/storage.js";
import type { StoreLocation } from "../store/location.js";
import { openSqliteReader } from "../store/sqlite-reader.js";
import type { ArchiveSource, BackupProgress } from "./archive.js";
import { copyFromPostgres } from "./copy-tables.js";

const BUSY_TIMEOUT_MS = 10_000;

/**
 * What a configuration's coordinators keep, for a backup; they may be running.
 *
 * @throws CoordinatorError FILE_UNREADABLE where there is no coordinator's database, STORE_UNREADABLE, UNREACHABLE
 */
export async function openArchiveSource(
  config: Config,
  environment: ConfigEnvironment,
): Promise<ArchiveSource & AsyncDisposable> {
  const location = storeLocation(await storagePlaces(config, environment));
  if (location.type === "sqlite") await openSqliteReader(location.path).close();
  const artifacts = await openArtifactReader(config);
  return {
    keysDir: config.keysDir,
    origin: config.origin,
    writeDatabase: (path, onProgress, signal) => writeDatabase(location, path, onProgress, signal),
    readArtifact: (sha256) =>
      artifacts.read(sha256).catch((cause: unknown) => {
        if (!(cause instanceof CoordinatorError && cause.code === "NOT_FOUND")) throw cause;
        const name = Buffer.from(sha256).toString("hex");
        const path = config.nats === null ? join(config.artifactsDir, name.slice(0, 2), name) : `the object ${name}`;
        throw new CoordinatorError(
          "ARTIFACT_CORRUPT",
          `expected ${path} to hold what its name says; restore it before a backup`,
          { cause },
        );
      }),
    [Symbol.asyncDispose]: () => artifacts[Symbol.asyncDispose](),
  };
}

async function writeDatabase(
  location: StoreLocation,
  path: string,
  onProgress: BackupProgress,
  signal: AbortSignal,
): Promise<void> {
  if (location.type === "postgres") {
    return copyFromPostgres(location.url, path, (table, rows) => onProgress(table, rows), signal);
  }
  onProgress("database", 0, 1);
  const live = new Sqlite(location.path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  try {
    // One read transaction, so one state between two commits; the coordinator goes on writing behind it.
    live.prepare("vacuum into ?").run(path);
  } finally {
    live.close();
  }
  onProgress("database", 1, 1);
}
