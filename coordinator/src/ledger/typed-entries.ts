// Entries of one type, read one at a time by the index on types: a log of years has few of most types among its consents.
import { type Entry, type EntryType, parseEntry } from "@fedloop/consent";
import type { Kysely, SelectQueryBuilder } from "kysely";
import type { Database, EntriesTable } from "../store/database.js";

export interface TypedEntry {
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly entry: Entry;
}

/** In which direction the log is read, and the index from which on, itself left out. */
export type ReadingOrder = { readonly after: number } | { readonly before: number };

/** The query for the next entry of a type. */
export function nextOfType(
  db: Kysely<Database>,
  type: EntryType,
  order: ReadingOrder,
): SelectQueryBuilder<Database, "entries", Pick<EntriesTable, "index" | "leaf_hash" | "bytes">> {
  const query = db.selectFrom("entries").select(["index", "leaf_hash", "bytes"]).where("type", "=", type).limit(1);
  return "after" in order
    ? query.where("index", ">", order.after).orderBy("index")
    : query.where("index", "<", order.before).orderBy("index", "desc");
}

/** The entries of a type, as far as they are asked for. */
export async function* entriesOfType(
  db: Kysely<Database>,
  type: EntryType,
  order: ReadingOrder,
): AsyncGenerator<TypedEntry> {
  for (let from = order; ; ) {
    const row = await nextOfType(db, type, from).executeTakeFirst();
    if (row === undefined) return;
    yield { index: row.index, leafHash: row.leaf_hash, entry: parseEntry(new Uint8Array(row.bytes)) };
    from = "after" in order ? { after: row.index } : { before: row.index };
  }
}

/** Behind every entry: from here the newest come first. */
export const FROM_THE_END: ReadingOrder = { before: Number.MAX_SAFE_INTEGER };
