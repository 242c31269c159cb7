import { parseEntry } from "@fedloop/consent";
import { ROUND_STATES } from "@fedloop/proto";
import { sql } from "kysely";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { membersOf, releaseIndex } from "../rounds/logged-round.js";
import { type PARTICIPANT_STATES, ROUND_KINDS, type RoundsTable } from "../store/database.js";
import type { AdminDependencies } from "./dependencies.js";
import { pageFrom, pageOf, pageQuery, readCursor } from "./page.js";
import type { ZodRoutes } from "./zod-routes.js";

/** A round as the API shows it. */
export interface RoundResource {
  readonly population: string;
  readonly round: number;
  readonly kind: RoundsTable["kind"];
  readonly state: RoundsTable["state"];
  readonly stateSinceMs: number;
  readonly plannedMs: number | null;
  readonly deadlineMs: number | null;
  readonly reason: string | null;
  readonly plan: { readonly index: number; readonly hash: string } | null;
  readonly journal: number | null;
  readonly participants: Readonly<Record<(typeof PARTICIPANT_STATES)[number], number>>;
  readonly live: { readonly expected: number; readonly answered: number; readonly minimum: number } | null;
  readonly metrics: Readonly<Record<string, number>> | null;
  readonly modelIn: string | null;
  readonly modelOut: string | null;
}

const count = z.int().min(0);

export const roundSchema: z.ZodType<RoundResource> = z
  .object({
    population: z.string(),
    round: z.int(),
    kind: z.enum(ROUND_KINDS),
    state: z.enum(ROUND_STATES),
    stateSinceMs: z.int().describe("milliseconds since 1970"),
    plannedMs: z.int().nullable().describe("when its plan entered the ledger"),
    deadlineMs: z.int().nullable().describe("when its present state ends; null where no device is waited for"),
    reason: z.string().nullable().describe("why it was abandoned, a code of docs/protocol.md"),
    plan: z
      .object({
        index: z.int().describe("of the ledger's entry"),
        hash: z.string().describe("its leaf hash, base64url"),
      })
      .nullable(),
    journal: z
      .int()
      .nullable()
      .describe("the release's entry in the log, by which `fedloop journal` names it; null until the round is closed"),
    participants: z
      .object({ joined: count, submitted: count, left: count, dropped: count })
      .describe(
        "from the configured cohort on; once a round is closed `submitted` is what its close in the ledger says, while the others count " +
          "those only who were not erased since",
      ),
    live: z
      .object({
        expected: z.int().describe("devices that the present state waits for"),
        answered: z.int().describe("those of them that have answered"),
        minimum: z.int().describe("with fewer the round is abandoned"),
      })
      .nullable()
      .describe("while the round is under way in this process"),
    metrics: z.record(z.string(), z.number()).nullable().describe("of an evaluation"),
    modelIn: z.string().nullable().describe("SHA-256, base64url as in the ledger"),
    modelOut: z.string().nullable(),
  })
  .meta({ id: "Round" });

const place = z.tuple([z.string(), z.int()]);

interface RoundFilter {
  readonly population?: string | undefined;
  readonly state?: RoundsTable["state"] | undefined;
  readonly kind?: RoundsTable["kind"] | undefined;
  /** Only rounds behind this one in the order of the list. */
  readonly after?: readonly [string, number] | undefined;
  /** Whose rounds; all unless given. */
  readonly populations?: readonly string[];
}

/** Rounds: newest first within each population. */
export function addRounds(app: ZodRoutes, deps: AdminDependencies): void {
  const { guard, maySee, populations } = deps;
  const filters = { state: z.enum(ROUND_STATES).optional(), kind: z.enum(ROUND_KINDS).optional() };
  app.get(
    "/rounds",
    {
      onRequest: guard({ role: "viewer", scope: "handler" }),
      schema: {
        operationId: "listRounds",
        summary: "Rounds of all populations, by population, the newest first",
        tags: ["rounds"],
        querystring: z.object({ population: z.string().max(63).optional(), ...filters, ...pageQuery }),
        response: { 200: pageOf(roundSchema) },
      },
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const visible = [...populations.all()].map(({ name }) => name).filter((name) => maySee(request, name));
      const rows = await readRounds(
        deps,
        { ...filter, populations: visible, after: readCursor(cursor, place) },
        limit + 1,
      );
      return pageFrom(rows, limit, ({ population, round }) => [population, round]);
    },
  );
  app.get(
    "/populations/:population/rounds/:round",
    {
      onRequest: guard({ role: "viewer" }),
      schema: {
        operationId: "getRound",
        summary: "One round",
        tags: ["rounds"],
        params: z.object({ population: z.string().max(63), round: z.coerce.number().int().min(1) }),
        response: { 200: roundSchema },
      },
    },
    async ({ params }) => {
      const { population, round } = params;
      populations.get(population);
      const [found] = await readRounds(deps, { population, after: [population, round + 1] }, 1);
      if (found?.round === round) return found;
      throw new CoordinatorError("NOT_FOUND", `expected a round of ${population} that was begun, came ${round}`);
    },
  );
}

/** Rounds with their counts, by population, the newest first. */
export async function readRounds(
  deps: AdminDependencies,
  { population, state, kind, after, populations }: RoundFilter,
  limit: number,
): Promise<RoundResource[]> {
  if (populations?.length === 0) return [];
  let query = deps.store.db
    .selectFrom("rounds")
    .selectAll()
    .orderBy("population")
    .orderBy("round", "desc")
    .limit(limit);
  if (populations !== undefined) query = query.where("population", "in", [...populations]);
  if (population !== undefined) query = query.where("population", "=", population);
  if (state !== undefined) query = query.where("state", "=", state);
  if (kind !== undefined) query = query.where("kind", "=", kind);
  if (after !== undefined) {
    const [name, round] = after;
    query = query.where((is) =>
      is.or([is("population", ">", name), is.and([is("population", "=", name), is("round", "<", round)])]),
    );
  }
  return Promise.all((await query.execute()).map((row) => resource(deps, row)));
}

async function resource(deps: AdminDependencies, row: RoundsTable): Promise<RoundResource> {
  const { population, round } = row;
  const planIndex = row.state === "closed" ? row.plan_index : null;
  return {
    population,
    round,
    kind: row.kind,
    state: row.state,
    stateSinceMs: row.state_since_ms,
    plannedMs: row.plan_index === null ? null : await plannedMs(deps, row.plan_index),
    deadlineMs: row.deadline_ms,
    reason: row.reason,
    plan:
      row.plan_index === null || row.plan_hash === null ? null : { index: row.plan_index, hash: named(row.plan_hash) },
    journal: planIndex === null ? null : await releaseIndex(deps.store, { ...row, planIndex }),
    participants: {
      ...(await participantCounts(deps, population, round)),
      ...(planIndex === null ? {} : { submitted: await membersOf(deps.store, { population, round, planIndex }) }),
    },
    live: liveCounts(deps, population, round),
    metrics: row.metrics === null ? null : JSON.parse(row.metrics),
    modelIn: row.model_in === null ? null : named(row.model_in),
    modelOut: row.model_out === null ? null : named(row.model_out),
  };
}

/** When a round's plan entered the log. */
async function plannedMs({ ledger }: AdminDependencies, planIndex: number): Promise<number> {
  // Another coordinator may have written it a moment ago.
  await ledger.expectSize(planIndex + 1);
  return parseEntry(await ledger.entry(planIndex)).ts;
}

async function participantCounts(
  { store }: AdminDependencies,
  population: string,
  round: number,
): Promise<RoundResource["participants"]> {
  const rows = await store.db
    .selectFrom("participants")
    .select(["state", sql<number>`count(*)`.as("count")])
    .where("population", "=", population)
    .where("round", "=", round)
    .groupBy("state")
    .execute();
  const counts = { joined: 0, submitted: 0, left: 0, dropped: 0 };
  for (const { state, count } of rows) counts[state] = Number(count);
  return counts;
}

function liveCounts({ populations }: AdminDependencies, population: string, round: number): RoundResource["live"] {
  const underWay = populations.get(population).underWay;
  if (underWay === undefined || underWay.round !== round) return null;
  const { expected, answered, rules } = underWay.progress;
  return { expected, answered, minimum: rules.minimum };
}

function named(hash: Uint8Array): string {
  return Buffer.from(hash).toString("base64url");
}
