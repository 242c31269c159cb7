import { parseEntry } from "@fedloop/consent";
import { type DpEvent, parseDpEvent } from "@fedloop/privacy";
import { entriesOfType, FROM_THE_END } from "../ledger/typed-entries.js";
import type { TensorFile } from "../models/safetensors.js";
import type { RoundKind } from "../store/database.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { PopulationBudget, type RoundCost } from "./budget.js";
import type { StoredRun } from "./noise-run.js";
import { ParticipantBudgets } from "./participant-budgets.js";
import type { Schedule } from "./schedule.js";
import { hasEnded, isSpent, type RoundState } from "./states.js";

/** A round as the store has it. */
export interface StoredRound {
  readonly round: number;
  readonly kind: RoundKind;
  readonly state: RoundState;
  readonly deadlineMs: number | null;
  readonly planIndex: number | null;
  readonly planHash: Uint8Array | null;
  readonly aggregate: Uint8Array | null;
  readonly modelIn: Uint8Array | null;
  readonly modelOut: Uint8Array | null;
  readonly strategyState: Uint8Array | null;
  readonly event: DpEvent | null;
  readonly metrics: string | null;
}

/** What a population has been through, worked out from the store when the coordinator starts. */
export class PopulationState {
  readonly budget: PopulationBudget;
  readonly participants: ParticipantBudgets;
  /** Hash of the newest model. */
  model: Uint8Array;
  /** That model itself, once a round of this process has made it. */
  loaded: (Pick<TensorFile, "tensors" | "parameters"> & { readonly sha256: Uint8Array }) | undefined;
  strategyState: Uint8Array | null;
  /** Rounds of the schedule that are closed. */
  completed: number;
  /** Training rounds among them. */
  trained: number;
  /** The highest round number in the log. One that was refused before its plan entered the log is used again. */
  lastRound: number;
  metrics: Readonly<Record<string, number>> | null;
  /** Leaf hash of the newest budget.debit. */
  lastDebit: Uint8Array | undefined;
  /** Where the newest run of correlated noise stands. */
  run: StoredRun | undefined;

  private constructor(
    budget: PopulationBudget,
    participants: ParticipantBudgets,
    model: Uint8Array,
    rounds: readonly StoredRound[],
    lastDebit: Uint8Array | undefined,
  ) {
    this.lastDebit = lastDebit;
    this.budget = budget;
    this.participants = participants;
    const closed = rounds.filter(({ state }) => state === "closed");
    const trained = closed.filter(({ kind }) => kind === "train");
    this.model = trained.at(-1)?.modelOut ?? model;
    this.strategyState = trained.at(-1)?.strategyState ?? null;
    this.completed = closed.length;
    this.trained = trained.length;
    this.lastRound = rounds.findLast(({ planIndex }) => planIndex !== null)?.round ?? 0;
    const metrics = rounds.findLast((round) => round.metrics !== null)?.metrics;
    this.metrics = metrics === null || metrics === undefined ? null : JSON.parse(metrics);
  }

  /**
   * @param initialModel hash of the model before any round
   * @returns the state, and the round that was under way when the process ended, if any
   */
  static async load(
    store: StoreReader,
    schedule: Schedule,
    initialModel: Uint8Array,
  ): Promise<{ state: PopulationState; underWay: StoredRound | undefined }> {
    const rows = await store.db
      .selectFrom("rounds")
      .selectAll()
      .where("population", "=", schedule.population)
      .orderBy("round")
      .execute();
    const rounds: StoredRound[] = rows.map((row) => ({
      round: row.round,
      kind: row.kind,
      state: row.state,
      deadlineMs: row.deadline_ms,
      planIndex: row.plan_index,
      planHash: row.plan_hash,
      aggregate: row.aggregate,
      modelIn: row.model_in,
      modelOut: row.model_out,
      strategyState: row.strategy_state,
      event: row.event === null ? null : parseDpEvent(JSON.parse(row.event)),
      metrics: row.metrics,
    }));
    // A round between the aggregate and its debit is spent too, but its debit is still to be written: not counted here.
    const debited = rounds.filter(({ state }) => isSpent(state) && state !== "aggregated");
    const participants = new ParticipantBudgets();
    const costs: RoundCost[] = [];
    for (const round of debited) {
      const { cost, step } = await paidFor(store, round);
      if (cost === null) continue;
      costs.push(cost);
      participants.debit(cost, await submittedSubjects(store, schedule.population, round.round), step);
    }
    const budget = new PopulationBudget(schedule.cap, costs);
    const state = new PopulationState(
      budget,
      participants,
      initialModel,
      rounds,
      await newestDebit(store, schedule.population),
    );
    state.run = await store.db
      .selectFrom("noise_runs")
      .select(["first", "event", "step", "sealed"])
      .where("population", "=", schedule.population)
      .executeTakeFirst();
    return { state, underWay: rounds.find((round) => !hasEnded(round.state)) };
  }
}

/** What a debited round cost, and its step of a run. */
async function paidFor(
  store: StoreReader,
  { event, planIndex, planHash }: StoredRound,
): Promise<{ readonly cost: RoundCost | null; readonly step?: number }> {
  if (event === null) return { cost: null };
  const isOfRun = event.type === "BltMatrixFactorization" || event.type === "BandedMatrixFactorization";
  if (!isOfRun || planIndex === null || planHash === null) return { cost: { event, run: null } };
  const { bytes } = await store.db
    .selectFrom("entries")
    .select("bytes")
    .where("index", "=", planIndex)
    .executeTakeFirstOrThrow();
  const entry = parseEntry(bytes);
  const run = entry.type === "round.plan" ? entry.body.privacy.run : undefined;
  if (run === undefined) return { cost: { event, run: null } };
  return { cost: { event, run: run.first ?? Buffer.from(planHash).toString("base64url") }, step: run.step };
}

/** Leaf hash of a population's newest budget.debit. */
async function newestDebit({ db }: StoreReader, population: string): Promise<Uint8Array | undefined> {
  for await (const { entry, leafHash } of entriesOfType(db, "budget.debit", FROM_THE_END)) {
    if (entry.type === "budget.debit" && entry.body.population === population) return leafHash;
  }
  return undefined;
}

/** Index of the round.close entry by which a population's round released a model; undefined while it is not closed. */
export async function closeOfModel(
  { db }: StoreReader,
  population: string,
  model: Uint8Array,
): Promise<number | undefined> {
  const name = Buffer.from(model).toString("base64url");
  for await (const { index, entry } of entriesOfType(db, "round.close", FROM_THE_END)) {
    if (entry.type !== "round.close" || entry.body.population !== population) continue;
    if (entry.body.modelOut === name) return index;
  }
  return undefined;
}

/** The participants whose update is in a round's sum. */
export async function submittedSubjects(store: StoreReader, population: string, round: number): Promise<string[]> {
  const rows = await store.db
    .selectFrom("participants")
    .select("subject")
    .where("population", "=", population)
    .where("round", "=", round)
    .where("state", "=", "submitted")
    .execute();
  return rows.map(({ subject }) => subject);
}
