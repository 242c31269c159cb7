import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { DemoOptions } from "../cli/options.js";
import { CoordinatorError } from "../errors.js";
import { runFederation } from "./federation.js";
import type { SimulatedPerson } from "./messages.js";
import { decide } from "./people.js";
import { changePlan } from "./plan-text.js";
import { Progress } from "./progress.js";
import { type RatingsFile, readRatings } from "./ratings.js";
import { referenceErrors } from "./reference.js";
import { type DemoSummary, demoText } from "./summary.js";

/** The repository's examples, seen from the compiled file. */
const EXAMPLES = resolve(dirname(fileURLToPath(import.meta.url)), "../../../../examples");
const DATA_FILE = "insteval.csv.gz";
const COLUMNS = { participant: "s", item: "d", rating: "y" };
const DEFAULT_OUT = "fedloop-demo";
const MIN_PARTICIPANTS = 10;

/** What the main job runs on. */
export interface DemoJob {
  /** The plan file's text, for these people. */
  readonly plan: string;
  /** Path of the notice. */
  readonly notice: string;
  readonly people: readonly SimulatedPerson[];
  /** Names of the lecturers. */
  readonly items: readonly string[];
}

/**
 * Reads ratings and plan, and decides who consents.
 *
 * @throws CoordinatorError FILE_UNREADABLE, BAD_DATA
 */
export async function demoJob(
  options: Pick<DemoOptions, "data" | "participants" | "seed" | "rounds" | "epsilon" | "reason">,
): Promise<DemoJob> {
  const file = join(options.data === undefined ? join(EXAMPLES, "data") : resolve(options.data), DATA_FILE);
  const ratings = await readRatings(file, COLUMNS);
  const people = decide(chosen(ratings, options.participants), options.seed ?? 1);
  const folder = join(EXAMPLES, "lecturers");
  const plan = changePlan(await readFile(join(folder, "plan.yaml"), "utf8"), {
    rounds: options.rounds,
    epsilon: options.epsilon,
    cohort: people.filter(({ decision }) => decision === "give").length,
    items: ratings.items.length,
    noPrivacyReason: options.reason,
  });
  return { plan, notice: join(folder, "notice.md"), people, items: ratings.items };
}

/**
 * The main job: real people's lecture ratings, each held by a participant of its own, train a rating model that no
 * server sees a rating of.
 *
 * @throws CoordinatorError USAGE, FILE_UNREADABLE, BAD_DATA, BAD_PLAN, ROUND_FAILED, CANCELLED
 */
export async function runDemo(options: DemoOptions): Promise<DemoSummary> {
  const started = performance.now();
  checkOptions(options);
  const progress = new Progress({ quiet: false });
  const { plan, notice, people, items } = await demoJob(options);
  progress.step(`${people.length} people with ratings of ${items.length} lecturers, each on a device of its own`);
  const result = await runFederation({
    plan,
    notice,
    people,
    out: resolve(options.out ?? DEFAULT_OUT),
    processes: Math.max(1, Math.min(availableParallelism(), 8)),
    progress,
    signal: options.signal,
  });
  const reference = referenceErrors(
    people.filter(({ decision }) => decision === "give").map((person) => person.ratings),
    items.length,
  );
  const summary: DemoSummary = {
    population: result.plan.population,
    participants: people.length,
    consented: result.consented,
    rounds: result.rounds.trained,
    evaluations: result.rounds.evaluated,
    metric: {
      name: "rmse",
      value: rounded(result.metrics?.rmse ?? Number.NaN),
      globalMean: rounded(reference.globalMean),
      central: rounded(reference.central),
    },
    privacy: {
      unit: result.plan.privacy.unit,
      epsilon: result.epsilon,
      delta: result.plan.cap?.delta ?? null,
      accountant: "rdp",
    },
    ledger: { size: result.report.size, root: result.report.root, verified: result.report.ok },
    bundle: result.bundle,
    model: result.model,
    seconds: Math.round((performance.now() - started) / 100) / 10,
    peakServerMb: result.peakServerMb,
  };
  options.print(options.json ? `${JSON.stringify(summary)}\n` : demoText(summary));
  if (!summary.ledger.verified) {
    throw new CoordinatorError(
      "LEDGER_CORRUPT",
      "the auditor found faults in the bundle; run fedloop-audit verify on it",
    );
  }
  return summary;
}

function checkOptions({ dp, reason, participants }: DemoOptions): void {
  if (!dp && (reason === undefined || reason.trim() === "")) {
    throw new CoordinatorError(
      "USAGE",
      "expected --reason TEXT beside --no-dp: the ledger records why there is no privacy",
    );
  }
  if (dp && reason !== undefined) throw new CoordinatorError("USAGE", "expected --reason only beside --no-dp");
  if (participants !== undefined && participants < MIN_PARTICIPANTS) {
    throw new CoordinatorError("USAGE", `expected at least ${MIN_PARTICIPANTS} --participants, came ${participants}`);
  }
}

function chosen({ participants }: RatingsFile, count: number | undefined): RatingsFile["participants"] {
  return count === undefined ? participants : participants.slice(0, count);
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
