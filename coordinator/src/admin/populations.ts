import { createHash } from "node:crypto";
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import type { PopulationPlan } from "../plan/population-plan.js";
import { claimedEpsilon } from "../rounds/epsilons.js";
import { PAUSE_REASONS, POPULATION_STATES } from "../store/database.js";
import type { AdminDependencies } from "./dependencies.js";
import { readProgress } from "./progress.js";
import { readRounds, roundSchema } from "./rounds.js";
import type { ZodRoutes } from "./zod-routes.js";

const populationName = z.string().max(63);

const budgetSchema = z
  .object({
    spent: z.string().describe("ε so far, as the ledger claims it: a decimal, or unbounded"),
    reserved: z.string().nullable().describe("ε once the round under way is spent too; null between rounds"),
    cap: z.number().nullable().describe("ε that everything together may cost; null without differential privacy"),
    delta: z.number().nullable(),
    unit: z.enum(["participant", "example"]).describe("what ε is about"),
  })
  .meta({ id: "Budget" });

const populationSchema = z
  .object({
    population: populationName,
    controller: z.string(),
    purpose: z.string(),
    state: z.enum(POPULATION_STATES),
    finished: z.enum(["rounds-done", "budget"]).nullable().describe("why there are no more rounds"),
    pause: z
      .object({ reason: z.enum(PAUSE_REASONS), sinceMs: z.int() })
      .nullable()
      .describe("why no round begins, and since when; null while it is not paused"),
    failures: z.int().describe("rounds in a row that were abandoned since one was closed"),
    planSha256: z.string().describe("of the plan in force, as canonical JSON, hexadecimal"),
    policy: z.int().describe("version of the policy in the ledger that participants consent to"),
    devices: z.int().describe("registered now"),
    rounds: z.object({
      planned: z.int().describe("evaluations included"),
      byState: z.record(z.string(), z.int()),
    }),
    current: roundSchema.nullable().describe("the round under way, else the newest"),
    metrics: z.record(z.string(), z.number()).nullable().describe("of the newest evaluation"),
    budget: budgetSchema,
  })
  .meta({ id: "Population" });

type PopulationResource = z.input<typeof populationSchema>;

/** Populations: how each stands. */
export function addPopulations(app: ZodRoutes, deps: AdminDependencies): void {
  const { guard, maySee } = deps;
  app.get(
    "/populations",
    {
      onRequest: guard({ role: "viewer", scope: "handler" }),
      schema: {
        operationId: "listPopulations",
        summary: "All populations of this coordinator",
        tags: ["populations"],
        response: { 200: z.object({ items: z.array(populationSchema) }) },
      },
    },
    async (request) => {
      const names = [...deps.populations.all()].map(({ name }) => name).filter((name) => maySee(request, name));
      return { items: await Promise.all(names.sort().map((name) => readPopulation(deps, name))) };
    },
  );
  app.get(
    "/populations/:population",
    {
      onRequest: guard({ role: "viewer" }),
      schema: {
        operationId: "getPopulation",
        summary: "One population",
        tags: ["populations"],
        params: z.object({ population: populationName }),
        response: { 200: populationSchema },
      },
    },
    ({ params }) => readPopulation(deps, params.population),
  );
}

async function readPopulation(deps: AdminDependencies, name: string): Promise<PopulationResource> {
  const { store, ledger, populations } = deps;
  const live = populations.get(name);
  const row = await store.db.selectFrom("populations").selectAll().where("name", "=", name).executeTakeFirst();
  if (row === undefined) throw new CoordinatorError("UNKNOWN_POPULATION", `expected a population, came "${name}"`);
  const plan: PopulationPlan = JSON.parse(row.plan);
  const [devices, byState, newest] = await Promise.all([
    countDevices(deps, name),
    roundsByState(deps, name),
    readRounds(deps, { population: name }, 1),
  ]);
  const progress = await readProgress(store, live);
  const budget = live.state?.budget;
  return {
    population: name,
    controller: plan.controller,
    purpose: plan.purpose,
    state: progress.finished === null ? row.state : "finished",
    finished: progress.finished,
    pause: progress.pause,
    failures: progress.failures,
    planSha256: createHash("sha256").update(row.plan).digest("hex"),
    policy: ledger.view.policy(name)?.policy.policy ?? 0,
    devices,
    rounds: { planned: live.schedule.rounds.length, byState },
    current: newest[0] ?? null,
    metrics: progress.metrics,
    budget: {
      spent: progress.claimed,
      reserved: budget?.reserved === undefined ? null : claimedEpsilon(budget.after(budget.reserved).enforced),
      cap: plan.cap?.epsilon ?? null,
      delta: plan.cap?.delta ?? null,
      unit: plan.privacy.unit,
    },
  };
}

export async function countDevices({ store }: AdminDependencies, population: string): Promise<number> {
  const { count } = await store.db
    .selectFrom("devices")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("population", "=", population)
    .where("left_ms", "is", null)
    .executeTakeFirstOrThrow();
  return Number(count);
}

export async function roundsByState({ store }: AdminDependencies, population: string): Promise<Record<string, number>> {
  const rows = await store.db
    .selectFrom("rounds")
    .select(["state", ({ fn }) => fn.countAll<number>().as("count")])
    .where("population", "=", population)
    .groupBy("state")
    .execute();
  return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
}
