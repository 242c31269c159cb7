import { parseEntry, subjectPseudonym } from "@fedloop/consent";
import { loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { openVault as openVaultOf, storeLocation } from "../server/storage.js";
import { openStoreReader } from "../store/location.js";
import { postgresLocation } from "../store/postgres.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import type { Surroundings } from "./surroundings.js";

export interface VaultOptions {
  readonly config: string;
  readonly json: boolean;
}

/** Opens the vault that a configuration names. A folder without a database gets no vault: looking must not make one. */
async function openVault({ config }: VaultOptions, { environment }: Surroundings) {
  const places = await storagePlaces(await loadConfig(config, environment), environment);
  const database = storeLocation(places);
  const isShared = database.type === "postgres";
  const store = await openStoreReader(database);
  // A shared vault lies in the store, one of its own beside it.
  if (!isShared) await store.close();
  const vault = await openVaultOf(places, { db: store.db, isShared });
  const close = async (): Promise<void> => {
    vault.close();
    if (isShared) await store.close();
  };
  return { vault, database, close, vaultDir: isShared ? postgresLocation(database.url) : (places.vaultDir ?? "") };
}

/** Says where the vault is, how many subjects have a key, and whether a rotation was left half done. */
export async function vaultStatus(options: VaultOptions, surroundings: Surroundings): Promise<void> {
  const { vault, vaultDir, close } = await openVault(options, surroundings);
  try {
    const counts = Object.fromEntries(await vault.counts());
    const subjects = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const status = {
      vaultDir,
      subjects,
      currentKey: await vault.currentKek(),
      subjectsByKey: counts,
      rotating: await vault.isRotating(),
    };
    surroundings.print(
      options.json
        ? `${JSON.stringify(status)}\n`
        : `${vaultDir}: keys of ${subjects} participants under key ${status.currentKey}\n` +
            (status.rotating ? "A rotation was interrupted: `fedloop vault rotate-key` completes it.\n" : ""),
    );
  } finally {
    await close();
  }
}

/** Replaces the key-encryption key, or completes a replacement that was interrupted. A coordinator may run meanwhile. */
export async function rotateVaultKey(options: VaultOptions, surroundings: Surroundings): Promise<void> {
  const { vault, close } = await openVault(options, surroundings);
  try {
    const rotation = await vault.rotate({ signal: surroundings.signal });
    const { current, destroyed, rewrapped, resumed } = rotation;
    surroundings.print(
      options.json
        ? `${JSON.stringify(rotation)}\n`
        : `${resumed ? "Completed the rotation that was interrupted" : "Rotated"}: key ${current} is in force, ` +
            `${rewrapped} participants' keys were wrapped anew, key ${destroyed.join(", ") || "none"} is destroyed.\n` +
            "Back up keys/vault now; backups of the vault from before can no longer be read.\n",
    );
  } finally {
    await close();
  }
}

/** Prints the pseudonyms that still have a key: what an auditor's trust file takes as `subjectsWithKeys`. */
export async function vaultSubjects(options: VaultOptions, surroundings: Surroundings): Promise<void> {
  const { vault, database, close } = await openVault(options, surroundings);
  try {
    await using store = await openStoreReader(database);
    const populations = await store.db.selectFrom("populations").select("name").execute();
    const known = await knownSubjects(store.db);
    const subjectsWithKeys: string[] = [];
    for await (const key of vault.keys(surroundings.signal)) {
      for (const { name } of populations) {
        const subject = subjectPseudonym(key, name);
        if (known.has(subject)) subjectsWithKeys.push(subject);
      }
    }
    subjectsWithKeys.sort();
    surroundings.print(options.json ? `${JSON.stringify({ subjectsWithKeys })}\n` : `${subjectsWithKeys.join("\n")}\n`);
  } finally {
    await close();
  }
}

type Reader = StoreReader["db"];

/** Pseudonyms that occur: of registered devices, and of the log's authors and erasures. */
async function knownSubjects(db: Reader): Promise<ReadonlySet<string>> {
  const devices = await db.selectFrom("devices").select("subject").execute();
  const actors = await db.selectFrom("entries").select("actor").distinct().execute();
  const erasures = await db.selectFrom("entries").select("bytes").where("type", "=", "erasure").execute();
  const erased = erasures.flatMap(({ bytes }) => {
    const entry = parseEntry(new Uint8Array(bytes));
    return entry.type === "erasure" ? [entry.body.subject] : [];
  });
  return new Set([...devices.map(({ subject }) => subject), ...actors.map(({ actor }) => actor), ...erased]);
}
