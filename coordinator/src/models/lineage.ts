import { parseEntry } from "@fedloop/consent";
import type { StoreReader } from "../store/sqlite-reader.js";

/** An entry of the ledger, by place and leaf hash. */
export interface LineageEntry {
  readonly index: number;
  /** Leaf hash, base64url: as `fedloop-audit` and other entries name it. */
  readonly hash: string;
}

/** Where a released model comes from: each is an entry of the ledger, null where it is not there yet. */
export interface Lineage {
  readonly plan: LineageEntry | null;
  readonly debit: LineageEntry | null;
  readonly release: LineageEntry | null;
  readonly close: LineageEntry | null;
  /** Changes of who gets the model, oldest first. */
  readonly stages: readonly LineageEntry[];
  /** SHA-256 of the model that the round began with, base64url. */
  readonly modelIn: string | null;
}

const TYPES = ["budget.debit", "model.release", "round.close", "model.stage"] as const;

/** Follows a model from its release back to the plan, by what the log says. */
export async function readLineage(db: StoreReader["db"], population: string, round: number): Promise<Lineage> {
  const row = await db
    .selectFrom("rounds")
    .select(["plan_index", "plan_hash", "model_in"])
    .where("population", "=", population)
    .where("round", "=", round)
    .executeTakeFirst();
  const from = row?.plan_index ?? null;
  const entries =
    from === null
      ? []
      : await db
          .selectFrom("entries")
          .select(["index", "bytes", "leaf_hash"])
          .where("index", ">", from)
          .where("type", "in", [...TYPES])
          .orderBy("index")
          .execute();
  const found: Record<(typeof TYPES)[number], LineageEntry[]> = {
    "budget.debit": [],
    "model.release": [],
    "round.close": [],
    "model.stage": [],
  };
  for (const { index, bytes, leaf_hash } of entries) {
    const { type, body } = parseEntry(new Uint8Array(bytes));
    if (!isOne(type) || !("round" in body) || body.round !== round || body.population !== population) continue;
    found[type].push({ index, hash: named(leaf_hash) });
  }
  return {
    plan: from === null || row?.plan_hash == null ? null : { index: from, hash: named(row.plan_hash) },
    debit: found["budget.debit"][0] ?? null,
    release: found["model.release"][0] ?? null,
    close: found["round.close"][0] ?? null,
    stages: found["model.stage"],
    modelIn: row?.model_in == null ? null : named(row.model_in),
  };
}

function isOne(type: string): type is (typeof TYPES)[number] {
  return TYPES.some((it) => it === type);
}

function named(hash: Uint8Array): string {
  return Buffer.from(hash).toString("base64url");
}
