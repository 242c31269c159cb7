// The release journal: what left the rounds of this coordinator, in the order of the log, with what it cost and what it said.
// Every number in it is kept twice, as it was told and as what it was read from, so each can be had again.
import { decodeEvent, type Entry, parseEntry } from "@fedloop/consent";
import { CoordinatorError } from "../errors.js";
import type { ArtifactStore } from "../models/artifact-store.js";
import type { PopulationPlan } from "../plan/population-plan.js";
import { eventsOf, type RoundCost } from "../rounds/budget.js";
import { claimedEpsilon, spentEpsilon } from "../rounds/epsilons.js";
import { membersOf } from "../rounds/logged-round.js";
import { metricReader } from "../rounds/metrics.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { askedIn, namedValues, readRelease, releasedVariance } from "./release.js";

/** One release. */
export interface JournalEntry {
  /** Of the release in the log. */
  readonly index: number;
  readonly timeMs: number;
  readonly population: string;
  readonly round: number;
  readonly type: "model" | "stage" | "answer" | "evaluation";
  /** SHA-256 of the model that was released, moved or evaluated; null for an answer. */
  readonly model: string | null;
  /** What a model became, with `type` "stage". */
  readonly stage: string | null;
  /** Name and turn of the query that was answered, and what the plan says that it is about. */
  readonly query: { readonly name: string; readonly turn: number; readonly about: string | null } | null;
  /** ε of the population after it, as claimed in the log; null where nothing was paid. */
  readonly epsilon: string | null;
  readonly values: Readonly<Record<string, number>>;
  /**
   * Names of what comes out otherwise when it is computed again: "epsilon", "model" where its file has another hash or is gone,
   * or a value.
   */
  readonly differing: readonly string[];
}

/** What a store says of a file that is gone, or is not what its name says. */
const UNREADABLE: ReadonlySet<string> = new Set(["NOT_FOUND", "ARTIFACT_CORRUPT"]);

interface Sources {
  readonly store: Pick<StoreReader, "db">;
  readonly artifacts: Pick<ArtifactStore, "read">;
}

type Debit = Extract<Entry, { readonly type: "budget.debit" }>["body"];

/** What a population has paid so far, and what its rounds paid. */
class Payments {
  readonly #costs = new Map<string, RoundCost[]>();
  readonly #debits = new Map<string, { readonly claimed: string; readonly again: string }>();

  take({ population, round, event, epsilon, delta }: Debit, run: string | null): void {
    const costs = [...(this.#costs.get(population) ?? []), { event: decodeEvent(event), run }];
    this.#costs.set(population, costs);
    const again = claimedEpsilon(spentEpsilon(eventsOf(costs), Number(delta)));
    this.#debits.set(JSON.stringify([population, round]), { claimed: epsilon, again });
  }

  of(population: string, round: number): { readonly claimed: string; readonly again: string } | undefined {
    return this.#debits.get(JSON.stringify([population, round]));
  }
}

/**
 * Reads the journal and computes everything in it again: ε from the events of the log, the hashes of models from their files,
 * answers and metrics from the noised sums, which are read by the hash that the log names and checked against it.
 *
 * @throws CoordinatorError ARTIFACT_CORRUPT, NOT_FOUND where a noised sum is not what the log says, or is gone
 */
export async function releaseJournal(
  { store, artifacts }: Sources,
  population?: string,
): Promise<readonly JournalEntry[]> {
  const models = new ModelFiles(artifacts);
  const metrics = await evaluationMetrics(store);
  const payments = new Payments();
  const plans = new Map<string, Extract<Entry, { readonly type: "round.plan" }>["body"]>();
  const journal: JournalEntry[] = [];
  const rows = await store.db.selectFrom("entries").select(["index", "bytes"]).orderBy("index").execute();
  for (const { index, bytes } of rows) {
    const entry = parseEntry(bytes);
    const base = { index, timeMs: entry.ts };
    if (entry.type === "round.plan") plans.set(JSON.stringify([entry.body.population, entry.body.round]), entry.body);
    else if (entry.type === "budget.debit") {
      const plan = plans.get(JSON.stringify([entry.body.population, entry.body.round]));
      const run = plan?.privacy.run;
      payments.take(entry.body, run === undefined ? null : (run.first ?? entry.body.plan));
    } else if (entry.type === "model.release") {
      const { population, round, model } = entry.body;
      journal.push({
        ...base,
        population,
        round,
        type: "model",
        model,
        stage: null,
        query: null,
        ...paid(payments, population, round, await models.differing(model)),
      });
    } else if (entry.type === "model.stage") {
      const { population, round, model, stage } = entry.body;
      const free = { epsilon: null, values: {}, differing: await models.differing(model) };
      journal.push({ ...base, population, round, type: "stage", model, stage, query: null, ...free });
    } else if (entry.type === "analytics.release") {
      const { population, round } = entry.body;
      const plan = plans.get(JSON.stringify([population, round]));
      if (plan === undefined) continue;
      const asked = askedIn(plan);
      const { kept, again } = await numbersOf({ store, artifacts }, plan, metrics.get(population) ?? "none");
      const model = asked === undefined ? plan.model.sha256 : null;
      const unlike = model === null ? [] : await models.differing(model);
      const { epsilon, differing } = paid(payments, population, round, unlike);
      journal.push({
        ...base,
        population,
        round,
        type: asked === undefined ? "evaluation" : "answer",
        model,
        stage: null,
        query: asked === undefined ? null : { name: asked.name, turn: asked.turn, about: asked.query.about ?? null },
        epsilon,
        values: kept,
        differing: [...differing, ...differences(kept, again)],
      });
    }
  }
  return population === undefined ? journal : journal.filter((entry) => entry.population === population);
}

function paid(payments: Payments, population: string, round: number, differing: readonly string[]) {
  const debit = payments.of(population, round);
  const isSame = debit === undefined || debit.claimed === debit.again;
  return { epsilon: debit?.claimed ?? null, values: {}, differing: isSame ? differing : [...differing, "epsilon"] };
}

/** The models that releases name, each file hashed once. */
class ModelFiles {
  readonly #artifacts: Sources["artifacts"];
  readonly #known = new Map<string, readonly string[]>();

  constructor(artifacts: Sources["artifacts"]) {
    this.#artifacts = artifacts;
  }

  /** @returns "model" where its file is gone or has another hash */
  async differing(model: string): Promise<readonly string[]> {
    const known = this.#known.get(model) ?? (await this.#read(model));
    this.#known.set(model, known);
    return known;
  }

  async #read(model: string): Promise<readonly string[]> {
    try {
      // Hashes what it reads, and refuses it where the hash is not the one that is asked for.
      await this.#artifacts.read(Buffer.from(model, "base64url"));
      return [];
    } catch (error) {
      if (error instanceof CoordinatorError && UNREADABLE.has(error.code)) return ["model"];
      throw error;
    }
  }
}

/** Which of two sets of numbers are not the same to the last bit. */
function differences(kept: Readonly<Record<string, number>>, again: Readonly<Record<string, number>>): string[] {
  const names = new Set([...Object.keys(kept), ...Object.keys(again)]);
  return [...names].filter((name) => !Object.is(kept[name] ?? Number.NaN, again[name] ?? Number.NaN));
}

async function evaluationMetrics({ db }: Pick<StoreReader, "db">): Promise<ReadonlyMap<string, string>> {
  const rows = await db.selectFrom("populations").select(["name", "plan"]).execute();
  return new Map(
    rows.map(({ name, plan }) => {
      const { evaluation }: Pick<PopulationPlan, "evaluation"> = JSON.parse(plan);
      return [name, evaluation?.metric ?? "none"];
    }),
  );
}

type Plan = Extract<Entry, { readonly type: "round.plan" }>["body"];

async function numbersOf({ store, artifacts }: Sources, plan: Plan, metric: string) {
  const { population, round } = plan;
  const row = await store.db
    .selectFrom("rounds")
    .select(["plan_index", "aggregate", "metrics"])
    .where("population", "=", population)
    .where("round", "=", round)
    .executeTakeFirstOrThrow();
  const kept: Readonly<Record<string, number>> = row.metrics === null ? {} : JSON.parse(row.metrics);
  if (row.aggregate === null || row.plan_index === null) return { kept, again: {} };
  const bytes = new Uint8Array(await artifacts.read(row.aggregate));
  const sums = new Float32Array(bytes.buffer);
  const members = await membersOf(store, { population, round, planIndex: row.plan_index });
  const again =
    askedIn(plan) === undefined
      ? metricReader(metric)(sums, plan.trainer.settings, releasedVariance(plan, members))
      : namedValues(readRelease(plan, sums, members));
  return { kept, again };
}
