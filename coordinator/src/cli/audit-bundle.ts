import { noteSigner } from "@fedloop/consent";
import { loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { exportBundle } from "../ledger/export-bundle.js";
import { loadKeys } from "../server/keys.js";
import { storeLocation } from "../server/storage.js";
import { openStoreReader } from "../store/location.js";
import type { Surroundings } from "./surroundings.js";

export interface AuditBundleOptions {
  readonly config: string;
  /** The file to write. */
  readonly out: string;
  readonly json: boolean;
}

/** Writes the audit bundle of a coordinator's log, whether it runs or not, and says how to check it. */
export async function exportAuditBundle(options: AuditBundleOptions, surroundings: Surroundings): Promise<void> {
  const { environment, signal, print } = surroundings;
  const config = await loadConfig(options.config, environment);
  const { origin, witnesses } = config;
  const database = storeLocation(await storagePlaces(config, environment));
  // A folder without a database gets no keys either: looking at it must not make it one.
  await (await openStoreReader(database)).close();
  const verifierKey = noteSigner(origin, (await loadKeys(config.keysDir)).checkpoint).vkey;
  const entries = await exportBundle({
    database,
    verifierKey,
    witnesses: witnesses?.members.map(({ key }) => key) ?? [],
    path: options.out,
    signal,
  });
  print(
    options.json
      ? `${JSON.stringify({ bundle: options.out, entries, verifierKey })}\n`
      : `${options.out}: ${entries} entries of ${origin}\nCheck it with: fedloop-audit verify ${options.out}\n`,
  );
}
