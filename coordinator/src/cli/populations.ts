import { loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { CoordinatorError } from "../errors.js";
import { failuresInARow, pausePopulation, readPause, resumePopulation } from "../rounds/pause.js";
import { storeLocation } from "../server/storage.js";
import type { PauseReason } from "../store/database.js";
import { openStore, openStoreReader, type StoreLocation } from "../store/location.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { askRunning } from "./running-coordinator.js";
import type { Surroundings } from "./surroundings.js";

export interface PopulationsOptions {
  readonly config: string;
  readonly json: boolean;
}

interface PopulationJson {
  readonly population: string;
  readonly state: "running" | "paused";
  readonly reason: PauseReason | null;
  readonly since: string | null;
  /** Rounds in a row that were abandoned. */
  readonly failures: number;
}

/** Says of all populations whether they are paused, and why, whether the coordinator runs or not. */
export async function listPopulations(
  options: PopulationsOptions,
  { environment, print }: Surroundings,
): Promise<void> {
  await using store = await openStoreReader(await place(options, environment));
  const populations: PopulationJson[] = [];
  const rows = await store.db.selectFrom("populations").select("name").orderBy("name").execute();
  for (const { name } of rows) populations.push(await read(store, name));
  if (options.json) print(`${JSON.stringify({ populations })}\n`);
  else print(populations.map((population) => `${lineOf(population)}\n`).join(""));
}

/** Pauses a population, or lets it begin rounds again: here, or where a coordinator has the data folder open by asking it. */
export async function turnPopulation(
  options: PopulationsOptions,
  to: "pause" | "resume",
  population: string,
  { environment, print }: Surroundings,
): Promise<void> {
  const where = await place(options, environment);
  // A population that is not there is told as such, and nothing is made by looking.
  await using store = await openStoreReader(where);
  await read(store, population);
  if (!(await turnHere(where, to, population))) {
    await askRunning(options.config, environment, `/populations/${encodeURIComponent(population)}/${to}`, {});
  }
  const now = await read(store, population);
  print(options.json ? `${JSON.stringify(now)}\n` : `${lineOf(now)}\n`);
}

/** @returns false when a coordinator has the data folder open for itself */
async function turnHere(where: StoreLocation, to: "pause" | "resume", population: string): Promise<boolean> {
  const store = await openStore(where).catch((cause: unknown) => {
    if (cause instanceof CoordinatorError && cause.code === "STORE_LOCKED") return undefined;
    throw cause;
  });
  if (store === undefined) return false;
  try {
    await store.db.transaction().execute(async (db) => {
      if (to === "resume") await resumePopulation(db, population);
      else await pausePopulation(db, population, { reason: "operator", sinceMs: Date.now() });
    });
    return true;
  } finally {
    await store.close();
  }
}

async function place({ config }: PopulationsOptions, environment: Surroundings["environment"]): Promise<StoreLocation> {
  return storeLocation(await storagePlaces(await loadConfig(config, environment), environment));
}

async function read({ db }: StoreReader, population: string): Promise<PopulationJson> {
  const row = await db.selectFrom("populations").select("name").where("name", "=", population).executeTakeFirst();
  if (row === undefined) {
    throw new CoordinatorError(
      "UNKNOWN_POPULATION",
      `expected a population of this coordinator, came "${population.slice(0, 64)}"`,
    );
  }
  const pause = await readPause(db, population);
  return {
    population,
    state: pause === null ? "running" : "paused",
    reason: pause?.reason ?? null,
    since: pause === null ? null : new Date(pause.sinceMs).toISOString(),
    failures: await failuresInARow(db, population),
  };
}

const WHY: Readonly<Record<PauseReason, string>> = {
  operator: "by an operator",
  "rounds-abandoned": "after too many abandoned rounds in a row",
};

function lineOf({ population, state, reason, since, failures }: PopulationJson): string {
  const abandoned = failures === 0 ? "" : `, ${failures} rounds abandoned in a row`;
  return `${population}: ${state}${reason === null ? "" : ` ${WHY[reason]} since ${since}`}${abandoned}`;
}
