/**
 * What an operator asks at a coordinator that does not lead the population: to give a round up. It is left in the store, and the
 * leader takes it up when it next looks.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Kysely } from "kysely";
import { CoordinatorError } from "../errors.js";
import { hasEnded, isSpent } from "../rounds/states.js";
import type { Database } from "../store/database.js";

/** How often it is looked whether the leader has done it, milliseconds. */
const LOOK_MS = 200;

function keyOf(population: string): string {
  return `abandon/${population}`;
}

/**
 * Asks whoever leads a population to give a round up, and waits for that.
 *
 * @param patienceMs after which it waits no longer
 * @throws CoordinatorError WRONG_STATE for a round that is not under way, or whose budget is spent; RETRY when nobody has done
 * it in time
 */
export async function askToAbandon(
  db: Kysely<Database>,
  population: string,
  round: number,
  patienceMs: number,
): Promise<void> {
  const state = async () =>
    (
      await db
        .selectFrom("rounds")
        .select("state")
        .where("population", "=", population)
        .where("round", "=", round)
        .executeTakeFirst()
    )?.state;
  const endsMs = performance.now() + patienceMs;
  for (let hasAsked = false; ; ) {
    const now = await state();
    if (now === "abandoned" && hasAsked) return;
    if (now === undefined || hasEnded(now) || isSpent(now)) {
      throw new CoordinatorError(
        "WRONG_STATE",
        `expected a round whose budget is not spent yet, round ${round} is not`,
      );
    }
    if (!hasAsked) await leave(db, population, round);
    hasAsked = true;
    if (performance.now() > endsMs) {
      throw new CoordinatorError("RETRY", "the coordinator that leads the population has not done it yet; ask again", {
        retryAfterMs: 1_000,
      });
    }
    await wait(LOOK_MS);
  }
}

async function leave(db: Kysely<Database>, population: string, round: number): Promise<void> {
  await db
    .insertInto("meta")
    .values({ key: keyOf(population), value: String(round) })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ value: String(round) }))
    .execute();
}

/** The round that an operator has asked to give up; it is asked for once. */
export async function takeOrder(db: Kysely<Database>, population: string): Promise<number | undefined> {
  const row = await db.deleteFrom("meta").where("key", "=", keyOf(population)).returning("value").executeTakeFirst();
  return row === undefined ? undefined : Number(row.value);
}
