import * as z from "zod";
import { CoordinatorError } from "../errors.js";

/** A part of a list, and where the next one begins. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** The `cursor` of the next page; null on the last. */
  readonly next: string | null;
}

/** Items on a page unless the query says otherwise, and at most. */
const DEFAULT_ITEMS = 50;
const MOST_ITEMS = 200;

interface PageQuery {
  readonly limit: z.ZodDefault<z.ZodCoercedNumber>;
  readonly cursor: z.ZodOptional<z.ZodString>;
}

/** The query of every list. */
export const pageQuery: PageQuery = {
  limit: z.coerce.number().int().min(1).max(MOST_ITEMS).default(DEFAULT_ITEMS),
  cursor: z.string().max(512).optional().describe("`next` of the page before"),
};

/** The schema of a page. */
export function pageOf<Item>(item: z.ZodType<Item>): z.ZodType<Page<Item>> {
  return z.object({
    items: z.array(item),
    next: z.string().nullable().describe("cursor of the next page; null on the last"),
  });
}

/** Where a list goes on: the values that its last item is sorted by. */
export function writeCursor(place: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(place)).toString("base64url");
}

/** @throws CoordinatorError BAD_REQUEST for a cursor that this list did not give */
export function readCursor<Place>(cursor: string | undefined, place: z.ZodType<Place>): Place | undefined {
  if (cursor === undefined) return undefined;
  try {
    return place.parse(JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")));
  } catch (cause) {
    throw new CoordinatorError("BAD_REQUEST", "expected a cursor that this list gave as next, came another", { cause });
  }
}

/**
 * A page of rows that were asked for one more than the limit.
 *
 * @param place what the item is sorted by
 */
export function pageFrom<Row>(
  rows: readonly Row[],
  limit: number,
  place: (row: Row) => readonly (string | number)[],
): Page<Row> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? writeCursor(place(last)) : null };
}
