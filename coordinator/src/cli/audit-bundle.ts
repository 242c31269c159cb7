import { join } from "node:path";
import { noteSigner } from "@fedloop/consent";
import { loadConfig } from "../config/config.js";
import { exportBundle } from "../ledger/export-bundle.js";
import { loadKeys } from "../server/keys.js";
import { openSqliteReader } from "../store/sqlite-reader.js";
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
  const { dataDir, origin, witnesses } = await loadConfig(options.config, environment);
  const database = join(dataDir, "fedloop.sqlite");
  // A folder without a database gets no keys either: looking at it must not make it one.
  await openSqliteReader(database).close();
  const verifierKey = noteSigner(origin, (await loadKeys(dataDir)).checkpoint).vkey;
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
