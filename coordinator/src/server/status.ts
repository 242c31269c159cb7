import { latencyText, type WithdrawalLatency } from "@fedloop/consent";
import { type ConfigEnvironment, loadConfig } from "../config/config.js";
import { storagePlaces } from "../config/storage-places.js";
import { entriesOfType, FROM_THE_END } from "../ledger/typed-entries.js";
import type { PopulationPlan } from "../plan/population-plan.js";
import { openStoreReader } from "../store/location.js";
import type { StoreReader } from "../store/sqlite-reader.js";
import { storeLocation } from "./storage.js";
import { withdrawalLatency } from "./withdrawal-latency.js";

export interface StatusOptions {
  readonly config: string;
  readonly environment: ConfigEnvironment;
  readonly json: boolean;
  /** Standard output. */
  readonly print: (text: string) => void;
}

export interface PopulationStatus {
  readonly population: string;
  readonly devices: number;
  /** How many rounds are in each state. */
  readonly rounds: Readonly<Record<string, number>>;
  readonly planned: number;
  readonly newest: { readonly round: number; readonly state: string; readonly reason: string | null } | null;
  readonly metrics: Readonly<Record<string, number>> | null;
  /** From withdrawals to the last use of the data. */
  readonly withdrawals: WithdrawalLatency;
  readonly budget: {
    readonly spent: string;
    readonly cap: number | null;
    readonly delta: number | null;
    /** What ε is about. */
    readonly unit: PopulationPlan["privacy"]["unit"];
  };
}

export interface Status {
  readonly origin: string;
  readonly ledger: { readonly size: number; readonly root: string } | null;
  readonly populations: readonly PopulationStatus[];
}

/** Reads how things stand from the database, whether the coordinator runs or not, and prints it. */
export async function runStatus(options: StatusOptions): Promise<Status> {
  const config = await loadConfig(options.config, options.environment);
  await using store = await openStoreReader(storeLocation(await storagePlaces(config, options.environment)));
  const checkpoint = await store.db.selectFrom("checkpoint").selectAll().executeTakeFirst();
  const rows = await store.db.selectFrom("populations").selectAll().orderBy("name").execute();
  const populations: PopulationStatus[] = [];
  for (const row of rows) populations.push(await populationStatus(store, row.name, JSON.parse(row.plan)));
  const status: Status = {
    origin: config.origin,
    ledger:
      checkpoint === undefined
        ? null
        : { size: checkpoint.size, root: Buffer.from(checkpoint.root).toString("base64url") },
    populations,
  };
  options.print(options.json ? `${JSON.stringify(status)}\n` : statusText(status));
  return status;
}

async function populationStatus(store: StoreReader, name: string, plan: PopulationPlan): Promise<PopulationStatus> {
  const devices = await store.db
    .selectFrom("devices")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("population", "=", name)
    .where("left_ms", "is", null)
    .executeTakeFirstOrThrow();
  const rounds = await store.db
    .selectFrom("rounds")
    .select(["round", "state", "reason", "metrics"])
    .where("population", "=", name)
    .orderBy("round")
    .execute();
  const byState: Record<string, number> = {};
  for (const { state } of rounds) byState[state] = (byState[state] ?? 0) + 1;
  const newest = rounds.at(-1);
  const metrics = rounds.findLast((round) => round.metrics !== null)?.metrics;
  return {
    population: name,
    devices: Number(devices.count),
    rounds: byState,
    planned: plan.rounds + (plan.evaluation?.count ?? 0) + (plan.analytics?.rounds ?? 0),
    newest: newest === undefined ? null : { round: newest.round, state: newest.state, reason: newest.reason },
    withdrawals: await withdrawalLatency(store, name),
    metrics: metrics === undefined || metrics === null ? null : JSON.parse(metrics),
    budget: {
      spent: await claimedByLedger(store, name),
      cap: plan.cap?.epsilon ?? null,
      delta: plan.cap?.delta ?? null,
      unit: plan.privacy.unit,
    },
  };
}

/** ε as the newest debit of the population claims it. */
export async function claimedByLedger({ db }: StoreReader, population: string): Promise<string> {
  for await (const { entry } of entriesOfType(db, "budget.debit", FROM_THE_END)) {
    if (entry.type === "budget.debit" && entry.body.population === population) return entry.body.epsilon;
  }
  return "0";
}

function statusText({ origin, ledger, populations }: Status): string {
  const lines = [`log ${origin}: ${ledger === null ? "empty" : `${ledger.size} entries, root ${ledger.root}`}`];
  for (const { population, devices, rounds, planned, newest, metrics, budget, withdrawals } of populations) {
    lines.push(
      `${population}: ${devices} devices, ${rounds.closed ?? 0} of ${planned} rounds closed, ${rounds.abandoned ?? 0} abandoned`,
    );
    if (newest !== null) {
      lines.push(
        `  newest round ${newest.round}: ${newest.state}${newest.reason === null ? "" : ` (${newest.reason})`}`,
      );
    }
    lines.push(
      budget.cap === null
        ? "  no differential privacy, by its plan"
        : `  ε ${budget.spent} of ${budget.cap} spent at δ = ${budget.delta}, for each ${budget.unit}`,
    );
    lines.push(`  withdrawals: ${latencyText(withdrawals)}`);
    if (metrics !== null) {
      lines.push(
        `  ${Object.entries(metrics)
          .map(([name, value]) => `${name} ${value}`)
          .join(", ")}`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}
