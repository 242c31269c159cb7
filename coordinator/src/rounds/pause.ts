// Whether a population is paused, and why, as the store has it: a pause outlives the process.
import type { Kysely } from "kysely";
import type { Database, PauseReason } from "../store/database.js";
import { isFailure } from "./retries.js";
import { ABANDON_REASONS } from "./states.js";

/** A population that begins no rounds until an operator resumes it. */
export interface Pause {
  readonly reason: PauseReason;
  readonly sinceMs: number;
}

type Db = Kysely<Database>;

/** How a population stands; null where it is not paused. */
export async function readPause(db: Db, population: string): Promise<Pause | null> {
  const row = await db
    .selectFrom("populations")
    .select(["state", "pause_reason", "paused_ms"])
    .where("name", "=", population)
    .executeTakeFirst();
  if (row?.state !== "paused") return null;
  return { reason: row.pause_reason ?? "operator", sinceMs: Number(row.paused_ms ?? 0) };
}

/** Pauses a population; one that is paused already keeps its reason. */
export async function pausePopulation(db: Db, population: string, { reason, sinceMs }: Pause): Promise<void> {
  await db
    .updateTable("populations")
    .set({ state: "paused", pause_reason: reason, paused_ms: sinceMs })
    .where("name", "=", population)
    .where("state", "!=", "paused")
    .execute();
}

/** Lets a population begin rounds again. What was abandoned so far is not counted any more. */
export async function resumePopulation(db: Db, population: string): Promise<void> {
  const newest = await db
    .selectFrom("rounds")
    .select(({ fn }) => fn.max("round").as("round"))
    .where("population", "=", population)
    .executeTakeFirst();
  await db
    .updateTable("populations")
    .set({ state: "running", pause_reason: null, paused_ms: null, resumed_round: Number(newest?.round ?? 0) })
    .where("name", "=", population)
    .execute();
}

/** Rounds in a row that came to nothing since one was closed, or an operator resumed the population. */
export async function failuresInARow(db: Db, population: string): Promise<number> {
  const row = await db
    .selectFrom("populations")
    .select("resumed_round")
    .where("name", "=", population)
    .executeTakeFirst();
  const closed = await db
    .selectFrom("rounds")
    .select(({ fn }) => fn.max("round").as("round"))
    .where("population", "=", population)
    .where("state", "=", "closed")
    .executeTakeFirst();
  const { count } = await db
    .selectFrom("rounds")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("population", "=", population)
    .where("state", "=", "abandoned")
    .where("reason", "in", ABANDON_REASONS.filter(isFailure))
    .where("round", ">", Math.max(Number(row?.resumed_round ?? 0), Number(closed?.round ?? 0)))
    .executeTakeFirstOrThrow();
  return Number(count);
}
