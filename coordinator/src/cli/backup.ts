import { type BackupProgress, fileBytes, writeArchive } from "../backup/archive.js";
import { restoreArchive } from "../backup/restore.js";
import { openArchiveSource } from "../backup/source.js";
import { loadConfig } from "../config/config.js";
import type { Surroundings } from "./surroundings.js";

export interface BackupOptions {
  readonly config: string;
  readonly json: boolean;
}

/** Between two lines about the same thing, milliseconds. */
const PROGRESS_MS = 1_000;

/** Says what is being done: each new thing at once, and how it goes on now and then. */
function progressOn(json: boolean, complain: Surroundings["complain"]): BackupProgress {
  let told = "";
  let toldMs = Number.NEGATIVE_INFINITY;
  return (step, done, of) => {
    const now = performance.now();
    if (json || (step === told && now - toldMs < PROGRESS_MS)) return;
    told = step;
    toldMs = now;
    complain(`${step} (${of === undefined ? done : of === 1 ? "…" : `${done} of ${of}`})\n`);
  };
}

/** Writes a backup, also while the coordinator runs. */
export async function backUp(
  { config, json }: BackupOptions,
  out: string,
  { environment, signal, print, complain }: Surroundings,
): Promise<void> {
  await using source = await openArchiveSource(await loadConfig(config, environment), environment);
  const info = await writeArchive(source, out, progressOn(json, complain), signal);
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
    environment,
    clock: Date,
    onProgress: progressOn(json, complain),
    onFault: (where) => complain(`${where} could not be asked\n`),
    signal,
  });
  const { location, entries, origin, created, erasedAgain } = restored;
  const unchecked = config.tiles === null && config.witnesses === null && published === undefined;
  print(
    json
      ? `${JSON.stringify({ restored: location, checkedAgainstPublished: !unchecked, ...restored })}\n`
      : `${location}: ${entries} entries of ${origin}, as of ${created}; ${erasedAgain} participants erased again.\n` +
          (unchecked
            ? "Nothing published was at hand to compare with. If entries were added after the backup, devices will refuse this log as a fork: see docs/operations.md before starting.\n"
            : ""),
  );
}
