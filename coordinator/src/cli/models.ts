import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { noteSigner, wholeShare } from "@fedloop/consent";
import { loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { CoordinatorError } from "../errors.js";
import { Ledger } from "../ledger/ledger.js";
import { type Lineage, readLineage } from "../models/lineage.js";
import { commitMove, type RegisteredModel, readRegistry } from "../models/model-registry.js";
import { decodeSafetensors, type TensorFile } from "../models/safetensors.js";
import type { StageMessage } from "../models/stages.js";
import { encodeTfjsLayers } from "../models/tfjs-layers.js";
import type { PopulationPlan } from "../plan/population-plan.js";
import { loadKeys } from "../server/keys.js";
import { keysFolder, type StoragePlaces, storeLocation } from "../server/storage.js";
import { openStore, openStoreReader } from "../store/location.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { openReading } from "./reading.js";
import { askRunning } from "./running-coordinator.js";
import type { Surroundings } from "./surroundings.js";

export interface ModelsOptions {
  readonly config: string;
  readonly json: boolean;
}

/** Which model is meant. */
export interface ModelName {
  readonly population: string;
  readonly round: number;
}

export const EXPORT_FORMATS = ["safetensors", "tfjs"] as const;

interface ModelJson {
  readonly population: string;
  readonly round: number;
  readonly sha256: string;
  readonly stage: RegisteredModel["stage"];
  readonly sharePercent: number | null;
  readonly since: string;
}

/** Lists the models of all populations, or of one, whether the coordinator runs or not. */
export async function listModels(
  options: ModelsOptions,
  population: string | undefined,
  { environment, print }: Surroundings,
): Promise<void> {
  await using store = await reader(await places(options, environment));
  const models: ModelJson[] = [];
  for (const name of await populationsOf(store, population)) {
    for (const model of await readRegistry(store.db, name)) models.push(asJson(name, model));
  }
  if (options.json) print(`${JSON.stringify({ models })}\n`);
  else if (models.length === 0) print("No round has released a model yet.\n");
  else print(`${models.map(lineOf).join("\n")}\n`);
}

/** Shows one model, with its lineage: the ledger's entries from the plan on. */
export async function showModel(
  options: ModelsOptions,
  { population, round }: ModelName,
  { environment, print }: Surroundings,
): Promise<void> {
  await using store = await reader(await places(options, environment));
  const model = asJson(population, await find(store, { population, round }));
  const lineage = await readLineage(store.db, population, round);
  print(options.json ? `${JSON.stringify({ model, lineage })}\n` : `${lineOf(model)}\n${lineageText(lineage)}\n`);
}

/** Gives a model to a part of the devices, or to all. */
export async function promoteModel(
  options: ModelsOptions,
  name: ModelName,
  canaryPercent: number | undefined,
  surroundings: Surroundings,
): Promise<void> {
  const { round } = name;
  const nowMs = Date.now();
  const message: StageMove =
    canaryPercent === undefined
      ? { type: "promote", round, nowMs }
      : { type: "canary", round, share: Math.round((canaryPercent / 100) * wholeShare), nowMs };
  const body = canaryPercent === undefined ? {} : { canaryPercent };
  await moveAndTell(options, name.population, message, { path: `${pathOf(name)}/promote`, body }, surroundings);
}

/** Takes a canary, or the live model, away from devices. */
export async function rollBackModel(
  options: ModelsOptions,
  name: ModelName,
  surroundings: Surroundings,
): Promise<void> {
  const message: StageMove = { type: "rollback", round: name.round, nowMs: Date.now() };
  await moveAndTell(options, name.population, message, { path: `${pathOf(name)}/rollback`, body: {} }, surroundings);
}

/** Writes a model's file, or what `tf.loadLayersModel` reads. */
export async function exportModel(
  options: ModelsOptions,
  name: ModelName,
  { format, out, topology }: { format: (typeof EXPORT_FORMATS)[number]; out: string; topology?: string | undefined },
  { environment, print }: Surroundings,
): Promise<void> {
  await using reading = await openReading(options.config, environment);
  const { sha256 } = await find(reading.store, name);
  const bytes = await reading.artifacts.read(sha256);
  const files =
    format === "safetensors"
      ? [out]
      : await writeTfjs(await layersOf(reading.store, name.population, bytes), out, topology);
  if (format === "safetensors") {
    await mkdir(dirname(out), { recursive: true });
    await writeFile(out, bytes);
  }
  print(
    options.json
      ? `${JSON.stringify({ ...name, sha256: Buffer.from(sha256).toString("base64url"), format, files })}\n`
      : `The model of round ${name.round} of ${name.population} is in ${files.join(" and ")}\n`,
  );
}

/** The tensors of a model file that are layers of the model: with SCAFFOLD its control variate stands behind them. */
async function layersOf(store: StoreReader, population: string, bytes: Uint8Array): Promise<TensorFile> {
  const file = decodeSafetensors(bytes);
  const { plan } = await store.db
    .selectFrom("populations")
    .select("plan")
    .where("name", "=", population)
    .executeTakeFirstOrThrow();
  const { strategy }: Pick<PopulationPlan, "strategy"> = JSON.parse(plan);
  return strategy.id === "scaffold" ? { ...file, tensors: file.tensors.slice(0, file.tensors.length / 2) } : file;
}

async function writeTfjs(file: TensorFile, folder: string, topology: string | undefined): Promise<string[]> {
  if (topology === undefined) {
    throw new CoordinatorError(
      "USAGE",
      "expected --topology with the layers of the model, as model.toJSON() gives them: the coordinator knows only the tensors",
    );
  }
  const text = await readFile(topology, "utf8").catch((cause: unknown) => {
    throw new CoordinatorError("FILE_UNREADABLE", `expected a readable topology at ${topology}; check the path`, {
      cause,
    });
  });
  const { model, weights, weightsName } = encodeTfjsLayers(file, text);
  const files = [join(folder, "model.json"), join(folder, weightsName)] as const;
  await mkdir(folder, { recursive: true });
  await writeFile(files[0], model);
  await writeFile(files[1], weights);
  return [...files];
}

type StageMove = Exclude<StageMessage, { readonly type: "released" }>;

/** Moves a model here, or where a coordinator runs has it do so. */
async function moveAndTell(
  options: ModelsOptions,
  population: string,
  message: StageMove,
  asked: { readonly path: string; readonly body: unknown },
  { environment, print }: Surroundings,
): Promise<void> {
  const where = await places(options, environment);
  // A population that is not there is told as such, and nothing is made by looking.
  await using store = await reader(where);
  await populationsOf(store, population);
  const ask = () => askRunning(options.config, environment, asked.path, asked.body);
  const here = () => moveHere(options, where, population, message, environment);
  if (storeLocation(where).type === "postgres") {
    // Any process may append to a shared log; one that runs has read it already.
    await ask().catch(async (cause: unknown) => {
      if (!(cause instanceof CoordinatorError && cause.code === "UNREACHABLE")) throw cause;
      await here();
    });
  } else if (!(await here())) await ask();
  const models = (await readRegistry(store.db, population)).map((model) => asJson(population, model));
  print(options.json ? `${JSON.stringify({ models })}\n` : `${models.map(lineOf).join("\n")}\n`);
}

/** @returns false when a coordinator has the data folder open */
async function moveHere(
  { config }: ModelsOptions,
  where: StoragePlaces,
  population: string,
  message: StageMove,
  environment: Surroundings["environment"],
): Promise<boolean> {
  const { origin } = await loadConfig(config, environment);
  const store = await openStore(storeLocation(where)).catch((cause: unknown) => {
    if (cause instanceof CoordinatorError && cause.code === "STORE_LOCKED") return undefined;
    throw cause;
  });
  if (store === undefined) return false;
  try {
    const keys = await loadKeys(keysFolder(where));
    await using ledger = await Ledger.open({
      store,
      origin,
      operatorSigner: keys.operator,
      noteSigner: noteSigner(origin, keys.checkpoint),
      clock: Date,
    });
    await commitMove(ledger, population, message);
    return true;
  } finally {
    await store.close();
  }
}

function pathOf({ population, round }: ModelName): string {
  return `/populations/${encodeURIComponent(population)}/models/${round}`;
}

async function places({ config }: ModelsOptions, environment: Surroundings["environment"]): Promise<StoragePlaces> {
  return storagePlaces(await loadConfig(config, environment), environment);
}

function reader(where: StoragePlaces): Promise<StoreReader> {
  return openStoreReader(storeLocation(where));
}

async function populationsOf(store: StoreReader, wanted: string | undefined): Promise<string[]> {
  const rows = await store.db.selectFrom("populations").select("name").orderBy("name").execute();
  const names = rows.map(({ name }) => name).filter((name) => wanted === undefined || name === wanted);
  if (wanted !== undefined && names.length === 0) {
    throw new CoordinatorError(
      "UNKNOWN_POPULATION",
      `expected a population of this coordinator, came "${wanted.slice(0, 64)}"`,
    );
  }
  return names;
}

async function find(store: StoreReader, { population, round }: ModelName): Promise<RegisteredModel> {
  await populationsOf(store, population);
  const model = (await readRegistry(store.db, population)).find((it) => it.round === round);
  if (model !== undefined) return model;
  throw new CoordinatorError("NOT_FOUND", `expected a round of ${population} that released a model, came ${round}`);
}

function asJson(population: string, { round, sha256, stage, share, sinceMs }: RegisteredModel): ModelJson {
  return {
    population,
    round,
    sha256: Buffer.from(sha256).toString("base64url"),
    stage,
    sharePercent: share === null ? null : (100 * share) / wholeShare,
    since: new Date(sinceMs).toISOString(),
  };
}

function lineOf({ population, round, sha256, stage, sharePercent, since }: ModelJson): string {
  const share = sharePercent === null ? "" : ` for ${sharePercent} %`;
  return `${population} round ${round}: ${stage}${share} since ${since}, ${sha256}`;
}

function lineageText({ plan, debit, release, close, stages, modelIn }: Lineage): string {
  const named = { plan, debit, release, close };
  const lines = Object.entries(named).map(
    ([name, at]) => `  ${name.padEnd(8)} ${at === null ? "–" : `entry ${at.index}, ${at.hash}`}`,
  );
  return [
    `  from     ${modelIn ?? "–"}`,
    ...lines,
    ...stages.map(({ index, hash }) => `  stage    entry ${index}, ${hash}`),
  ].join("\n");
}
