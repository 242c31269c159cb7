import { type GivenModel, type ModelStanding, standingAfter } from "@fedloop/consent";
import type { Ledger, LedgerTransaction } from "../ledger/ledger.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { type StagedModel, type StageMessage, type StageStep, stepStages } from "./stages.js";

/** A model with its hash, as the registry has it. */
export interface RegisteredModel extends StagedModel {
  /** SHA-256 of its file, 32 bytes. */
  readonly sha256: Uint8Array;
  /** Ledger entry of its last change; null for a candidate, and for one that another took the place of. */
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

/** What devices get now, and by which entry of the ledger. */
export interface Given {
  readonly standing: ModelStanding;
  /** The newest `model.stage` entry; null while there is none. */
  readonly stageIndex: number | null;
}

/** Which models the devices of a population get now. */
export function givenBy(models: readonly RegisteredModel[]): Given {
  const named = (stage: string) => models.find((model) => model.stage === stage);
  const [live, canary] = [named("live"), named("canary")];
  const indices = models.flatMap(({ entryIndex }) => (entryIndex === null ? [] : [entryIndex]));
  return {
    standing: {
      live: live === undefined ? null : nameOf(live),
      canary: canary === undefined ? null : { ...nameOf(canary), share: canary.share ?? 0 },
    },
    stageIndex: indices.length === 0 ? null : Math.max(...indices),
  };
}

/** Writes down, in the transaction that releases it, what becomes of a new model. */
export async function registerRelease(
  tx: LedgerTransaction,
  population: string,
  sha256: Uint8Array,
  release: Omit<Extract<StageMessage, { readonly type: "released" }>, "type">,
): Promise<void> {
  const before = await readRegistry(tx.db, population);
  const step = stepStages(before, { type: "released", ...release });
  await record(tx, population, before, [...before, { round: release.round, sha256 }], step);
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
  const step = stepStages(before, message);
  await record(tx, population, before, before, step);
  return step.changed;
}

/** The same in a transaction of its own. */
export async function commitMove(
  ledger: Ledger,
  ...move: Tail<Parameters<typeof moveModel>>
): Promise<readonly StagedModel[]> {
  return (await ledger.commit((tx) => moveModel(tx, ...move))).result;
}

/** Writes a step down: in the ledger what devices get from now on, and all of it in the registry. */
async function record(
  tx: LedgerTransaction,
  population: string,
  before: readonly RegisteredModel[],
  known: readonly Pick<RegisteredModel, "round" | "sha256">[],
  { changed }: StageStep,
): Promise<void> {
  const hashes = new Map(known.map((model) => [model.round, nameOf(model)]));
  let { standing } = givenBy(before);
  for (const model of changed) {
    const { stage, share } = model;
    const name = hashes.get(model.round);
    let entryIndex: number | null = null;
    if (name !== undefined && (stage === "canary" || stage === "live" || stage === "rolled-back")) {
      const change = { ...name, stage, share };
      standing = standingAfter(standing, change);
      entryIndex = (await tx.append("model.stage", { population, ...change, standing })).index;
    }
    await writeStage(tx, population, model, entryIndex);
  }
}

function nameOf({ round, sha256 }: Pick<RegisteredModel, "round" | "sha256">): GivenModel {
  return { round, model: Buffer.from(sha256).toString("base64url") };
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
