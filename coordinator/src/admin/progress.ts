import { parseEpsilon } from "@fedloop/consent";
import { claimedEpsilon } from "../rounds/epsilons.js";
import { failuresInARow, type Pause, readPause } from "../rounds/pause.js";
import type { Population } from "../rounds/population.js";
import { claimedByLedger } from "../server/status.js";
import type { Store } from "../store/database.js";

/** How far a population is: as its leader knows it, or as the store has it where another coordinator leads. */
export interface PopulationProgress {
  /** Why there are no more rounds; null while there are. */
  readonly finished: NonNullable<Population["finished"]> | null;
  readonly pause: Pause | null;
  /** Rounds in a row that came to nothing. */
  readonly failures: number;
  /** ε so far. */
  readonly spent: number;
  /** The same as the ledger claims it: a decimal, or unbounded. */
  readonly claimed: string;
  /** Of the newest evaluation. */
  readonly metrics: Readonly<Record<string, number>> | null;
}

/** The same answer at whichever coordinator is asked, but for a transaction that is just under way. */
export async function readProgress(store: Store, live: Population): Promise<PopulationProgress> {
  const { name, state } = live;
  const pause = await readPause(store.db, name);
  if (state !== undefined) {
    const { spent } = state.budget;
    const { finished = null, failures } = live;
    return { finished, pause, failures, spent, claimed: claimedEpsilon(spent), metrics: state.metrics };
  }
  const claimed = await claimedByLedger(store, name);
  return {
    finished: await finishedByStore(store, live),
    pause,
    failures: await failuresInARow(store.db, name),
    spent: parseEpsilon(claimed),
    claimed,
    metrics: await newestMetrics(store, name),
  };
}

async function finishedByStore({ db }: Store, { name, schedule }: Population): Promise<PopulationProgress["finished"]> {
  const rounds = db.selectFrom("rounds").where("population", "=", name);
  const { closed } = await rounds
    .select(({ fn }) => fn.countAll<number>().as("closed"))
    .where("state", "=", "closed")
    .executeTakeFirstOrThrow();
  if (Number(closed) >= schedule.rounds.length) return "rounds-done";
  const newest = await rounds.select("reason").orderBy("round", "desc").limit(1).executeTakeFirst();
  return newest?.reason === "BUDGET_EXCEEDED" ? "budget" : null;
}

async function newestMetrics({ db }: Store, population: string): Promise<PopulationProgress["metrics"]> {
  const row = await db
    .selectFrom("rounds")
    .select("metrics")
    .where("population", "=", population)
    .where("metrics", "is not", null)
    .orderBy("round", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.metrics == null ? null : JSON.parse(row.metrics);
}
