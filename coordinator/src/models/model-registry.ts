import type { Ledger, LedgerTransaction } from "../ledger/ledger.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { isInCanary, type StagedModel, type StageMessage, stepStages } from "./stages.js";

/** A model with its hash, as the registry has it. */
export interface RegisteredModel extends StagedModel {
  /** SHA-256 of its file, 32 bytes. */
  readonly sha256: Uint8Array;
  /** Ledger entry of its last change; null where the plan made it by itself. */
  readonly entryIndex: number | null;
}

/** All released models of a population, oldest first. */
export async function readRegistry(db: StoreReader["db"], population: string): Promise<RegisteredModel[]> {
  const rows = await db
    .selectFrom("model_stages")
    .innerJoin("models", (join) =>
      join.onRef("models.population", "=", "model_stages.population").onRef("models.round", "=", "model_stages.round"),
    )
    .select(["model_stages.round", "stage", "share", "since_ms", "entry_index", "sha256"])
    .where("model_stages.population", "=", population)
    .orderBy("model_stages.round")
    .execute();
  return rows.map(({ round, stage, share, since_ms, entry_index, sha256 }) => ({
    round,
    stage,
    share,
    sinceMs: since_ms,
    entryIndex: entry_index,
    sha256,
  }));
}

/** The model that a participant's app gets now: the canary, for those who are in it, else the live one. */
export async function modelFor(
  db: StoreReader["db"],
  population: string,
  subject: string,
): Promise<RegisteredModel | undefined> {
  const models = await readRegistry(db, population);
  const canary = models.find(({ stage }) => stage === "canary");
  if (canary !== undefined && isInCanary(population, canary.sha256, subject, canary.share ?? 0)) return canary;
  return models.find(({ stage }) => stage === "live");
}

/** Writes down, in the transaction that releases it, what becomes of a new model. */
export async function registerRelease(
  tx: LedgerTransaction,
  population: string,
  round: number,
  { promotes, nowMs }: { readonly promotes: boolean; readonly nowMs: number },
): Promise<void> {
  const { changed } = stepStages(await readRegistry(tx.db, population), { type: "released", round, promotes, nowMs });
  for (const model of changed) await writeStage(tx, population, model, null);
}

/**
 * Does what an operator asks for, in a transaction: each model that devices get from now on, or no longer, has an entry in
 * the ledger.
 *
 * @returns the models whose stage is another than before
 * @throws CoordinatorError NOT_FOUND, WRONG_STATE, and then nothing of it happened
 */
export async function moveModel(
  tx: LedgerTransaction,
  population: string,
  message: Exclude<StageMessage, { readonly type: "released" }>,
): Promise<readonly StagedModel[]> {
  const before = await readRegistry(tx.db, population);
  const hashes = new Map(before.map(({ round, sha256 }) => [round, Buffer.from(sha256).toString("base64url")]));
  const { changed } = stepStages(before, message);
  for (const model of changed) {
    const { round, stage, share } = model;
    const hash = hashes.get(round) ?? "";
    const isSaid = stage === "canary" || stage === "live" || stage === "rolled-back";
    const entry = isSaid ? await tx.append("model.stage", { population, round, model: hash, stage, share }) : null;
    await writeStage(tx, population, model, entry?.index ?? null);
  }
  return changed;
}

/** The same in a transaction of its own. */
export async function commitMove(
  ledger: Ledger,
  ...move: Tail<Parameters<typeof moveModel>>
): Promise<readonly StagedModel[]> {
  return (await ledger.commit((tx) => moveModel(tx, ...move))).result;
}

type Tail<List extends readonly unknown[]> = List extends readonly [unknown, ...infer Rest] ? Rest : never;

async function writeStage(
  tx: LedgerTransaction,
  population: string,
  { round, stage, share, sinceMs }: StagedModel,
  entryIndex: number | null,
): Promise<void> {
  const row = { stage, share, since_ms: sinceMs, entry_index: entryIndex };
  await tx.db
    .insertInto("model_stages")
    .values({ population, round, ...row })
    .onConflict((conflict) => conflict.columns(["population", "round"]).doUpdateSet(row))
    .execute();
}
