// The answers that populations' queries have got so far, from what the store and the ledger keep.
import { decodeEvent, type EventJson, parseEntry } from "@fedloop/consent";
import type { AnalyticsResult } from "@fedloop/privacy/analytics";
import type { ArtifactStore } from "../models/artifact-store.js";
import { claimedEpsilon, spentEpsilon } from "../rounds/epsilons.js";
import { membersOf, releaseIndex } from "../rounds/logged-round.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { type AskedQuery, askedIn, namedValues, readRelease } from "./release.js";

/** One answered query. */
export interface AnsweredQuery extends AskedQuery {
  readonly population: string;
  readonly round: number;
  /** Index of the plan in the log. */
  readonly planIndex: number;
  /** Index of the release in the log, by which the release journal names it. */
  readonly journal: number;
  /** When the round was closed, milliseconds since the epoch. */
  readonly closedMs: number;
  /** ε of the population at δ once this was paid for, as the ledger claims it. */
  readonly epsilon: string;
  /** ε of this round by itself, at δ. */
  readonly ownEpsilon: string;
  readonly delta: string;
  /** The noised sum that the result is read from, SHA-256. */
  readonly aggregate: Uint8Array;
  /** The same, as numbers. */
  readonly sums: Float32Array;
  readonly result: AnalyticsResult;
  /** The numbers that were kept when the round was released: `result` has to give the same. */
  readonly kept: Readonly<Record<string, number>>;
}

/** Where answers are read from. */
export interface ResultSources {
  readonly store: Pick<StoreReader, "db">;
  readonly artifacts: Pick<ArtifactStore, "read">;
}

/** All answered queries, or one population's, in the order of their rounds. */
export async function answeredQueries(
  { store, artifacts }: ResultSources,
  population?: string,
): Promise<readonly AnsweredQuery[]> {
  const all = store.db
    .selectFrom("rounds")
    .innerJoin("entries", "entries.index", "rounds.plan_index")
    .select([
      "rounds.population",
      "rounds.round",
      "rounds.plan_index",
      "rounds.state_since_ms",
      "rounds.aggregate",
      "rounds.metrics",
      "entries.bytes",
    ])
    .where("rounds.kind", "=", "evaluate")
    .where("rounds.state", "=", "closed")
    .orderBy("rounds.population")
    .orderBy("rounds.round");
  const rows = await (population === undefined ? all : all.where("rounds.population", "=", population)).execute();
  const answered: AnsweredQuery[] = [];
  const costs = new Map<string, string>();
  const costOf = (event: EventJson, delta: string): string => {
    const key = JSON.stringify([event, delta]);
    const cost = costs.get(key) ?? claimedEpsilon(spentEpsilon([decodeEvent(event)], Number(delta)));
    costs.set(key, cost);
    return cost;
  };
  for (const row of rows) {
    const entry = parseEntry(row.bytes);
    if (entry.type !== "round.plan" || row.aggregate === null || row.plan_index === null) continue;
    const asked = askedIn(entry.body);
    if (asked === undefined) continue;
    const { epsilon, delta } = entry.body.reservation;
    const members = await membersOf(store, { ...row, planIndex: row.plan_index });
    const sums = floatsOf(await artifacts.read(row.aggregate));
    answered.push({
      ...asked,
      population: row.population,
      round: row.round,
      planIndex: row.plan_index,
      journal: await releaseIndex(store, { ...row, kind: "evaluate", planIndex: row.plan_index }),
      closedMs: row.state_since_ms,
      epsilon,
      ownEpsilon: costOf(entry.body.privacy.event, delta),
      delta,
      aggregate: row.aggregate,
      sums,
      result: readRelease(entry.body, sums, members),
      kept: row.metrics === null ? {} : JSON.parse(row.metrics),
    });
  }
  return answered;
}

function floatsOf(bytes: Uint8Array): Float32Array {
  const copy = new Uint8Array(bytes);
  return new Float32Array(copy.buffer);
}

/** Whether the journal's sum still gives the numbers that were kept: names and values, to the last bit. */
export function replays({ result, kept }: Pick<AnsweredQuery, "result" | "kept">): boolean {
  const now = namedValues(result);
  const names = Object.keys(now);
  return names.length === Object.keys(kept).length && names.every((name) => Object.is(now[name], kept[name]));
}
