// What the log says of a round after its plan. A population has one round at a time, so the first entry of a kind that comes
// after the plan is the round's.
import type { EntryType } from "@fedloop/consent";
import { CoordinatorError } from "../errors.js";
import { entriesOfType } from "../ledger/typed-entries.js";
import type { RoundKind } from "../store/database.js";
import type { StoreReader } from "../store/sqlite-reader.js";

type Reading = Pick<StoreReader, "db">;

const RELEASE: Readonly<Record<RoundKind, EntryType>> = { train: "model.release", evaluate: "analytics.release" };

/** Where the release of a closed round stands in the log, by which the release journal names it. */
export async function releaseIndex(
  { db }: Reading,
  {
    population,
    kind,
    planIndex,
  }: { readonly population: string; readonly kind: RoundKind; readonly planIndex: number },
): Promise<number> {
  for await (const { index, entry } of entriesOfType(db, RELEASE[kind], { after: planIndex })) {
    if ("population" in entry.body && entry.body.population === population) return index;
  }
  throw new CoordinatorError("LEDGER_CORRUPT", `expected a release after the plan at ${planIndex}, there is none`);
}

/**
 * How many participants are in a round's sum, and with them their noise: what its close in the log says. The rows of those who
 * were erased since are gone, so they are counted only for a round that is not closed yet, whose participants no erasure
 * overtakes.
 */
export async function membersOf(
  store: Reading,
  { population, round, planIndex }: { readonly population: string; readonly round: number; readonly planIndex: number },
): Promise<number> {
  for await (const { entry } of entriesOfType(store.db, "round.close", { after: planIndex })) {
    if (entry.type !== "round.close" || entry.body.population !== population) continue;
    if (entry.body.round === round && entry.body.cohort !== null) return entry.body.cohort.size;
    break;
  }
  const { count } = await store.db
    .selectFrom("participants")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("population", "=", population)
    .where("round", "=", round)
    .where("state", "=", "submitted")
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Where the close of a plan's round stands in the log; undefined while there is none. @param plan leaf hash, 32 bytes */
export async function closeIndex(store: Reading, plan: Uint8Array): Promise<number | undefined> {
  const row = await store.db.selectFrom("rounds").select("plan_index").where("plan_hash", "=", plan).executeTakeFirst();
  if (row === undefined || row.plan_index === null) return undefined;
  const name = Buffer.from(plan).toString("base64url");
  for await (const { index, entry } of entriesOfType(store.db, "round.close", { after: row.plan_index })) {
    if (entry.type === "round.close" && entry.body.plan === name) return index;
  }
  return undefined;
}
