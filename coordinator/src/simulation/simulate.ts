import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, resolve } from "node:path";
import type { SimulateOptions } from "../cli/options.js";
import { CoordinatorError } from "../errors.js";
import { type LoadedPlan, loadPlan } from "../plan/load.js";
import { runFederation } from "./federation.js";
import { decide } from "./people.js";
import { changePlan } from "./plan-text.js";
import { Progress } from "./progress.js";
import { readRatings } from "./ratings.js";
import { runVirtual, type VirtualSummary } from "./virtual/run-virtual.js";

/** The trainer that simulated participants have. */
const TRAINER = "biased-factorisation";
const DEFAULT_OUT = "fedloop-simulation";

/** What `fedloop simulate --json` prints. */
export interface SimulationSummary {
  readonly population: string;
  readonly participants: number;
  readonly consented: number;
  readonly rounds: { readonly trained: number; readonly evaluated: number; readonly abandoned: number };
  readonly metrics: Readonly<Record<string, number>> | null;
  readonly epsilon: number | null;
  /** What ε is about. */
  readonly unit: "participant" | "example";
  readonly ledger: { readonly size: number; readonly root: string; readonly verified: boolean };
  readonly bundle: string;
  readonly model: string;
  readonly seconds: number;
  readonly peakServerMb: number;
}

/**
 * Runs a plan with simulated participants: on one's own ratings with the same processes, protocol and privacy as in earnest, or, as
 * the plan's section `simulation` says, with virtual devices by the thousand in this process.
 *
 * @throws CoordinatorError USAGE, BAD_PLAN, BAD_DATA, FILE_UNREADABLE, ROUND_FAILED, CANCELLED
 */
export async function runSimulate(options: SimulateOptions): Promise<SimulationSummary | VirtualSummary> {
  const loaded = await loadPlan(options.plan);
  const { data } = options;
  if (data !== undefined) return simulateRatings(loaded, { ...options, data });
  if (loaded.plan.simulation !== null) return runVirtual(loaded, options, resolve(options.out ?? DEFAULT_OUT));
  throw new CoordinatorError(
    "USAGE",
    "expected a section simulation in the plan, which names data, or ratings with --data FILE; came neither",
  );
}

/** Real processes and gRPC on ratings that somebody has. */
async function simulateRatings(
  { plan }: LoadedPlan,
  options: SimulateOptions & { readonly data: string },
): Promise<SimulationSummary> {
  const started = performance.now();
  const progress = new Progress({ quiet: false });
  const ratings = await readRatings(resolve(options.data), options.columns);
  if (plan.trainer.id !== TRAINER) {
    throw new CoordinatorError("USAGE", `expected a plan whose trainer is ${TRAINER}, came ${plan.trainer.id}`);
  }
  if (plan.model.parameters !== ratings.items.length + 1) {
    throw new CoordinatorError(
      "BAD_PLAN",
      `expected a model of ${ratings.items.length + 1} parameters for ${ratings.items.length} items and a mean, ` +
        `came ${plan.model.parameters}; change model.tensors`,
    );
  }
  const people = decide(ratings.participants.slice(0, options.participants), options.seed ?? 1);
  const giving = people.filter(({ decision }) => decision === "give").length;
  progress.step(`${people.length} participants with ratings of ${ratings.items.length} items`);
  const text = await readFile(options.plan, "utf8");
  const result = await runFederation({
    plan: changePlan(text, { cohort: Math.min(plan.cohort.target, giving), noticeFile: basename(plan.notice.file) }),
    notice: resolve(dirname(options.plan), plan.notice.file),
    people,
    out: resolve(options.out ?? DEFAULT_OUT),
    processes: Math.max(1, Math.min(availableParallelism(), 8)),
    progress,
    signal: options.signal,
  });
  const summary: SimulationSummary = {
    population: plan.population,
    participants: people.length,
    consented: result.consented,
    rounds: result.rounds,
    metrics: result.metrics,
    epsilon: result.epsilon,
    unit: result.plan.privacy.unit,
    ledger: { size: result.report.size, root: result.report.root, verified: result.report.ok },
    bundle: result.bundle,
    model: result.model,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    peakServerMb: result.peakServerMb,
  };
  options.print(options.json ? `${JSON.stringify(summary)}\n` : simulationText(summary));
  return summary;
}

function simulationText(summary: SimulationSummary): string {
  const { rounds, metrics, ledger } = summary;
  const found =
    metrics === null
      ? "none"
      : Object.entries(metrics)
          .map(([name, value]) => `${name} ${value}`)
          .join(", ");
  return `
${summary.consented} of ${summary.participants} participants consented
  rounds       ${rounds.trained} trained, ${rounds.evaluated} evaluated, ${rounds.abandoned} abandoned
  metrics      ${found}
  privacy      ${summary.epsilon === null ? "none, by the plan" : `ε = ${summary.epsilon} for each ${summary.unit}`}
  ledger       ${ledger.size} entries, ${ledger.verified ? "verified" : "NOT VERIFIED"}
  took         ${summary.seconds} s, coordinator at most ${summary.peakServerMb} MB
  model        ${summary.model}
  bundle       ${summary.bundle}
`;
}
