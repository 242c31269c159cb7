import { mkdirSync, writeFileSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { httpWitness, noteSigner } from "@fedloop/consent";
import { nodeVerifier } from "@fedloop/consent/node";
import type { Config, ConfigEnvironment } from "../config/config.js";
import { CoordinatorError } from "../errors.js";
import { Ledger } from "../ledger/ledger.js";
import { Publisher } from "../ledger/publisher.js";
import { loadKeys } from "../server/keys.js";
import { openSqliteStore } from "../store/sqlite.js";
import { Erasures } from "../vault/erasures.js";
import { Tombstones, tombstonesPath } from "../vault/tombstones.js";
import { type ArchiveInfo, type BackupProgress, readArchive } from "./archive.js";
import { openRestoreTarget, type RestoreTarget } from "./restore-target.js";

export interface RestoreOptions {
  readonly file: string;
  readonly config: Config;
  readonly environment: ConfigEnvironment;
  /** A checkpoint that was published, for example as a mirror or an auditor has it; none unless given. */
  readonly published?: string | undefined;
  readonly clock: { now(): number };
  readonly onFault: (where: string, cause: unknown) => void;
  readonly onProgress: BackupProgress;
  readonly signal: AbortSignal;
}

export interface Restored extends ArchiveInfo {
  /** Where it was put. */
  readonly location: string;
  /** Participants that were erased after the backup was made, and are erased again. */
  readonly erasedAgain: number;
}

/**
 * Puts a backup where a configuration says that the data are, after it has been checked: that it is whole, that entries,
 * checkpoint and keys belong together, that nothing newer of this log is known (in `tiles`, by the witnesses, or in the given
 * checkpoint), and that who was erased since stays so. Nothing is there before all of that holds.
 *
 * @throws CoordinatorError CONFLICT where there are data already; BAD_DATA; LEDGER_CORRUPT for a backup that is older than
 * what was published, or of another log; VAULT_KEY_LOST
 */
export async function restoreArchive(options: RestoreOptions): Promise<Restored> {
  const { config, environment, file, onProgress, signal } = options;
  const { dataDir, origin } = config;
  await using target = await openRestoreTarget(config, environment);
  const aside = join(dataDir, "restoring");
  await rm(aside, { recursive: true, force: true });
  await mkdir(join(aside, "keys"), { recursive: true, mode: 0o700 });
  try {
    const database = join(aside, "fedloop.sqlite");
    closeEmpty(database);
    const info = readArchive(
      file,
      {
        database,
        key: (name, bytes) => writeFileSync(join(aside, "keys", name), bytes, { mode: 0o600, flush: true }),
        artifact: (sha256, bytes) => {
          const name = Buffer.from(sha256).toString("hex");
          const path = join(aside, "artifacts", name.slice(0, 2), name);
          mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
          writeFileSync(path, bytes, { mode: 0o600, flush: true });
        },
      },
      signal,
    );
    if (info.origin !== origin) {
      throw new CoordinatorError(
        "LEDGER_CORRUPT",
        `expected a backup of the log ${origin}, came one of ${info.origin}`,
      );
    }
    const erasedAgain = await check(options, target, aside);
    await target.put(aside, onProgress, signal);
    return { ...info, erasedAgain, location: target.location };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

function closeEmpty(path: string): void {
  writeFileSync(path, "", { mode: 0o600 });
}

/** Opens what was taken out of the backup as a coordinator would. @returns how many participants had to be erased again */
async function check(
  { config, published, clock, onFault }: RestoreOptions,
  target: RestoreTarget,
  aside: string,
): Promise<number> {
  const { origin, dataDir, vaultDir, tiles, witnesses } = config;
  const keys = await loadKeys(join(aside, "keys"));
  const store = await openSqliteStore(join(aside, "fedloop.sqlite"));
  try {
    const checkpoints = noteSigner(origin, keys.checkpoint);
    await using ledger = await Ledger.open({
      store,
      origin,
      operatorSigner: keys.operator,
      noteSigner: checkpoints,
      clock,
    });
    await Publisher.check({
      ledger,
      store,
      vkey: checkpoints.vkey,
      verifier: nodeVerifier(),
      tiles: tiles ?? undefined,
      witnesses:
        witnesses === null
          ? undefined
          : {
              quorum: witnesses.quorum,
              witnesses: witnesses.members.map(({ key, url }) => httpWitness(key, url, fetch)),
            },
      known: published === undefined ? [] : [await readPublished(published)],
      onFault,
    });
    const vault = await target.openVault(store);
    try {
      const before = ledger.size;
      const tombstones = await Tombstones.open(tombstonesPath({ dataDir, vaultDir }));
      await Erasures.open({ store, ledger, vault, clock, tombstones });
      return ledger.size - before;
    } finally {
      vault.close();
    }
  } finally {
    await store.close();
  }
}

async function readPublished(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new CoordinatorError("FILE_UNREADABLE", `expected a checkpoint at ${path}; check the path`, { cause });
  }
}
