// Tables that all devices get alike, whole: a lookup by a person's own values then tells nobody anything.
import { canonicalBytes, decodeUtf8, sha256Text } from "@fedloop/consent";
import * as z from "zod/mini";
import { FeedbackError } from "../errors.js";

/** A table of numbers by key. */
export interface PublicTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** As many numbers as columns; undefined for a key that is not in it. */
  row(key: string): readonly number[] | undefined;
}

/** What a table is made of; real numbers as decimal strings. */
export interface TableContents {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: { readonly [key: string]: readonly string[] };
}

const FORMAT = "fedloop-table/1";
const decimal = z.string().check(z.regex(/^-?\d{1,15}(\.\d{1,15})?$/));
const tableSchema = z.strictObject({
  format: z.literal(FORMAT),
  name: z.string().check(z.minLength(1), z.maxLength(64)),
  columns: z.array(z.string()).check(z.minLength(1)),
  rows: z.record(z.string(), z.array(decimal)),
});

/** A table as the bytes that all devices get, and the digest that pins them. */
export function writeTable(contents: TableContents): { readonly bytes: Uint8Array; readonly digest: string } {
  const bytes = canonicalBytes({ format: FORMAT, ...contents });
  return { bytes, digest: sha256Text(bytes) };
}

/**
 * Opens a table.
 *
 * @param digest its SHA-256, base64url, as the app or a log entry pins it: a table that was made for one person has another
 * @throws FeedbackError TABLE_MISMATCH
 */
export function openTable(bytes: Uint8Array, digest: string): PublicTable {
  if (sha256Text(bytes) !== digest) {
    throw new FeedbackError("TABLE_MISMATCH", "expected the table with the pinned digest, came another; load it anew");
  }
  try {
    const { name, columns, rows } = z.parse(tableSchema, JSON.parse(decodeUtf8(bytes)));
    const numbers = new Map(Object.entries(rows).map(([key, row]) => [key, row.map(Number)]));
    if ([...numbers.values()].some((row) => row.length !== columns.length)) throw new Error("rows of another length");
    return { name, columns, row: (key) => numbers.get(key) };
  } catch (cause) {
    throw new FeedbackError("TABLE_MISMATCH", `expected a table of the format ${FORMAT}, came something else`, {
      cause,
    });
  }
}
