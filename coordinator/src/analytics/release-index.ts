import { parseEntry } from "@fedloop/consent";
import type { StoreReader } from "../store/sqlite-reader.js";

/**
 * Where the release of a closed round stands in the log, by which the release journal names it: a population has one round at
 * a time, so it is the first of its releases after the round's plan.
 */
export async function releaseIndex(
  { db }: Pick<StoreReader, "db">,
  planIndex: number,
  population: string,
): Promise<number> {
  let after = planIndex;
  for (;;) {
    const { index, bytes } = await db
      .selectFrom("entries")
      .select(["index", "bytes"])
      .where("index", ">", after)
      .where("type", "in", ["analytics.release", "model.release"])
      .orderBy("index")
      .limit(1)
      .executeTakeFirstOrThrow();
    const entry = parseEntry(bytes);
    const isRelease = entry.type === "analytics.release" || entry.type === "model.release";
    if (isRelease && entry.body.population === population) return index;
    after = index;
  }
}
