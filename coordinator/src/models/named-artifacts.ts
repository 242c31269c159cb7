import type { StoreReader } from "../store/sqlite-reader.js";
import type { ContentStore } from "./content-store.js";

/** Where the database names artifacts: table and column. */
export const ARTIFACT_COLUMNS = [
  ["models", "sha256"],
  ["rounds", "model_in"],
  ["rounds", "model_out"],
  ["rounds", "strategy_state"],
  ["rounds", "aggregate"],
] as const;

/** In a place that others write to, what is younger may be named yet. Milliseconds. */
const SETTLED_MS = 3_600_000;

/** Length of a header as a 64-bit number, then the header, which begins with a brace (safetensors). */
const MODEL_START_BYTES = 9;

/**
 * Removes sums that no round names: a process that ended between writing one and the transaction that says so has left it, and
 * nobody has paid for what it tells. Models stay: they are made of sums that were paid for, and are made again when it goes on.
 *
 * @param isShared whether other processes may be writing there now
 * @returns how many there were
 */
export async function removeUnnamedSums(
  { db }: Pick<StoreReader, "db">,
  artifacts: ContentStore,
  isShared: boolean,
): Promise<number> {
  // What is written from here on is not looked at.
  const kept = await artifacts.kept();
  const named = new Set<string>();
  for (const [table, column] of ARTIFACT_COLUMNS) {
    const rows = await db
      .selectFrom(table)
      .select(({ ref }) => ref(column).as("sha256"))
      .execute();
    for (const { sha256 } of rows) if (sha256 !== null) named.add(hex(sha256));
  }
  let removed = 0;
  for (const sha256 of kept) {
    if (named.has(hex(sha256)) || (await isModel(artifacts, sha256))) continue;
    if (isShared && Date.now() - ((await artifacts.writtenMs(sha256)) ?? Date.now()) < SETTLED_MS) continue;
    await artifacts.remove(sha256);
    removed += 1;
  }
  return removed;
}

async function isModel(artifacts: ContentStore, sha256: Uint8Array): Promise<boolean> {
  const { bytes, totalBytes } = await artifacts.range(sha256, 0, MODEL_START_BYTES);
  if (bytes.length < MODEL_START_BYTES) return false;
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  return headerBytes <= BigInt(totalBytes) && bytes[MODEL_START_BYTES - 1] === "{".charCodeAt(0);
}

function hex(sha256: Uint8Array): string {
  return Buffer.from(sha256).toString("hex");
}
