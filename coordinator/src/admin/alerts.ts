import { readUnverifiedCheckpoint } from "@fedloop/consent";
import * as z from "zod";
import type { Population } from "../rounds/population.js";
import { answerAlerts } from "./analytics/alerts.js";
import type { AnalyticsDependencies } from "./analytics/list.js";
import type { AdminDependencies } from "./dependencies.js";
import { type PopulationProgress, readProgress } from "./progress.js";
import type { ZodRoutes } from "./zod-routes.js";

/** Every kind of alert. docs/operations.md says what to do about each. */
export const ALERT_CODES = [
  "BUDGET_NEARLY_SPENT",
  "BUDGET_SPENT",
  "ROUNDS_ABANDONED",
  "POPULATION_STOPPED",
  "LOG_NOT_PUBLISHED",
  "WEBHOOK_FAILING",
  "POPULATION_PAUSED",
  "DRIFT",
  "SAMPLE_RATIO",
  "DRAINING",
] as const;

export const SEVERITIES = ["warning", "critical"] as const;

/** Something that an operator should look at. */
export interface Alert {
  readonly code: (typeof ALERT_CODES)[number];
  readonly severity: (typeof SEVERITIES)[number];
  /** Null for what concerns the whole coordinator. */
  readonly population: string | null;
  readonly message: string;
}

export const alertSchema: z.ZodType<Alert> = z
  .object({
    code: z.enum(ALERT_CODES),
    severity: z.enum(SEVERITIES),
    population: z.string().nullable().describe("null for what concerns the whole coordinator"),
    message: z.string(),
  })
  .meta({ id: "Alert" });

/** From this part of the cap on, an operator is told. */
const NEARLY = 0.8;
/** Abandoned rounds in a row that are worth a look: one happens. */
const IN_A_ROW = 2;

/** What an operator should look at now. An alert goes when its cause is gone. */
export function addAlerts(app: ZodRoutes, deps: AnalyticsDependencies): void {
  app.get(
    "/alerts",
    {
      onRequest: deps.guard({ role: "viewer", scope: "handler" }),
      schema: {
        operationId: "listAlerts",
        summary: "What an operator should look at now",
        tags: ["alerts"],
        response: { 200: z.object({ items: z.array(alertSchema) }) },
      },
    },
    async (request) => {
      const alerts = await readAlerts(deps);
      return { items: alerts.filter(({ population }) => population === null || deps.maySee(request, population)) };
    },
  );
}

export async function readAlerts(deps: AnalyticsDependencies): Promise<Alert[]> {
  const alerts: Alert[] = [];
  for (const population of deps.populations.all()) {
    const progress = await readProgress(deps.store, population);
    alerts.push(...budgetAlerts(population, progress), ...pauseAlerts(population, progress));
    if (progress.pause?.reason !== "rounds-abandoned") alerts.push(...(await roundAlerts(deps, population)));
    alerts.push(...answerAlerts(population.name, await deps.answersOf(population.name)));
  }
  const published = readUnverifiedCheckpoint(deps.publisher.checkpoint()).size;
  const { size } = deps.ledger;
  if (published < size) {
    const message = `${size - published} of ${size} entries are not published: too few witnesses answer, or tiles cannot be written`;
    alerts.push({ code: "LOG_NOT_PUBLISHED", severity: "warning", population: null, message });
  }
  alerts.push(...(await webhookAlerts(deps)));
  if (deps.drain.isDraining()) {
    const message = "no more rounds begin; the process ends when those under way have";
    alerts.push({ code: "DRAINING", severity: "warning", population: null, message });
  }
  return alerts;
}

/** Endpoints whose messages had to be given up, or wait for more than a few attempts. */
async function webhookAlerts({ store }: AdminDependencies): Promise<Alert[]> {
  const rows = await store.db
    .selectFrom("webhook_deliveries")
    .select(["endpoint", ({ fn }) => fn.countAll<number>().as("count")])
    .where((is) =>
      is.or([is("state", "=", "given-up"), is.and([is("state", "=", "pending"), is("attempts", ">=", 3)])]),
    )
    .groupBy("endpoint")
    .execute();
  return rows.map(({ endpoint, count }) => {
    const message = `${count} messages to ${endpoint} were given up, or failed three times and more`;
    return { code: "WEBHOOK_FAILING", severity: "warning", population: null, message };
  });
}

function pauseAlerts({ name }: Population, { pause }: PopulationProgress): Alert[] {
  switch (pause?.reason) {
    case "operator": {
      const message = "an operator has paused it: no round begins until it is resumed";
      return [{ code: "POPULATION_PAUSED", severity: "warning", population: name, message }];
    }
    case "rounds-abandoned": {
      const message = "too many rounds in a row were abandoned: no more begin until an operator resumes it";
      return [{ code: "POPULATION_STOPPED", severity: "critical", population: name, message }];
    }
    case undefined:
      return [];
  }
}

function budgetAlerts({ name, schedule }: Population, { finished, spent }: PopulationProgress): Alert[] {
  const cap = schedule.cap.epsilon;
  if (finished === "budget") {
    const message = `the budget of ε ${cap} does not pay for another round`;
    return [{ code: "BUDGET_SPENT", severity: "critical", population: name, message }];
  }
  if (!Number.isFinite(cap) || spent < NEARLY * cap) return [];
  const message = `ε ${spent.toFixed(3)} of ${cap} is spent`;
  return [{ code: "BUDGET_NEARLY_SPENT", severity: "warning", population: name, message }];
}

async function roundAlerts({ store }: AdminDependencies, { name }: Population): Promise<Alert[]> {
  const ended = await store.db
    .selectFrom("rounds")
    .select(["state", "reason"])
    .where("population", "=", name)
    .where("state", "in", ["closed", "abandoned"])
    .orderBy("round", "desc")
    .limit(IN_A_ROW)
    .execute();
  if (ended.length < IN_A_ROW || ended.some(({ state }) => state !== "abandoned")) return [];
  const message = `the last ${IN_A_ROW} rounds were abandoned: ${ended.map(({ reason }) => reason ?? "").join(", ")}`;
  return [{ code: "ROUNDS_ABANDONED", severity: "warning", population: name, message }];
}
