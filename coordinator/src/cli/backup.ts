import { join } from "node:path";
import { fileBytes, writeArchive } from "../backup/archive.js";
import { restoreArchive } from "../backup/restore.js";
import { loadConfig } from "../config/config.js";
import { CoordinatorError } from "../errors.js";
import { openSqliteReader } from "../store/sqlite-reader.js";
import type { Surroundings } from "./surroundings.js";

export interface BackupOptions {
  readonly config: string;
  readonly json: boolean;
}

/** Writes a backup, also while the coordinator runs. */
export async function backUp(
  { config, json }: BackupOptions,
  out: string,
  { environment, signal, print, complain }: Surroundings,
): Promise<void> {
  const { dataDir, keysDir, artifactsDir, origin, store, nats } = await loadConfig(config, environment);
  if (nats !== null) {
    throw new CoordinatorError(
      "USAGE",
      "expected a configuration without nats; back its object store up with its own tools",
    );
  }
  if (store.type !== "sqlite") {
    throw new CoordinatorError(
      "USAGE",
      "expected a configuration without store.postgres; back that database up with pg_dump, and keysDir and artifacts as files",
    );
  }
  const database = join(dataDir, "fedloop.sqlite");
  await openSqliteReader(database).close();
  const source = { database, keysDir, artifactsDir, origin };
  let told = "";
  const info = writeArchive(
    source,
    out,
    (step, done, of) => {
      if (json || step === told) return;
      told = step;
      complain(`${step} (${of === 1 ? "…" : `${done} of ${of}`})\n`);
    },
    signal,
  );
  print(
    json
      ? `${JSON.stringify({ backup: out, bytes: fileBytes(out), ...info })}\n`
      : `${out}: ${info.entries} entries of ${info.origin}, ${fileBytes(out)} bytes. It holds the keys that write this log.\n` +
          "Back up the vault and keys/vault apart from it: docs/operations.md says why.\n",
  );
}

/** Puts a backup in place. */
export async function restore(
  { config: path, json }: BackupOptions,
  file: string,
  published: string | undefined,
  { environment, signal, print, complain }: Surroundings,
): Promise<void> {
  const config = await loadConfig(path, environment);
  const restored = await restoreArchive({
    file,
    config,
    published,
    clock: Date,
    onFault: (where) => complain(`${where} could not be asked\n`),
    signal,
  });
  const { entries, origin, created, erasedAgain } = restored;
  const unchecked = config.tiles === null && config.witnesses === null && published === undefined;
  print(
    json
      ? `${JSON.stringify({ restored: config.dataDir, checkedAgainstPublished: !unchecked, ...restored })}\n`
      : `${config.dataDir}: ${entries} entries of ${origin}, as of ${created}; ${erasedAgain} participants erased again.\n` +
          (unchecked
            ? "Nothing published was at hand to compare with. If entries were added after the backup, devices will refuse this log as a fork: see docs/operations.md before starting.\n"
            : ""),
  );
}
