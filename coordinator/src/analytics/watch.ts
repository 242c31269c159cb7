// Drift and canaries, acted on: what a population has answered lets another one train again, or moves its canary.
import type { Ledger } from "../ledger/ledger.js";
import type { ArtifactStore } from "../models/artifact-store.js";
import { commitMove, type RegisteredModel, readRegistry } from "../models/model-registry.js";
import type { PopulationPlan } from "../plan/population-plan.js";
import type { PlanWatch } from "../plan/watch.js";
import type { Store } from "../store/database.js";
import { type CanaryDifference, type CanaryVerdict, judgeCanary } from "./canary.js";
import { type DriftReport, driftReports } from "./drift.js";
import { type ExperimentAnalysis, experimentAnalyses } from "./experiments.js";
import { plannedTurns } from "./planned-turns.js";
import { type AnsweredQuery, answeredQueries } from "./results.js";

/** How long a plan that waits for drift waits to be told of a closed round, before it looks itself. Milliseconds. */
const LOOK_AGAIN_MS = 30_000;

/** Something that followed from answers. */
export type WatchNotice =
  | { readonly type: "drift"; readonly report: DriftReport }
  | { readonly type: "canary"; readonly population: string; readonly round: number; readonly verdict: CanaryVerdict };

export interface WatchOptions {
  readonly ledger: Ledger;
  readonly store: Store;
  readonly artifacts: Pick<ArtifactStore, "read">;
  readonly clock: { now(): number };
  readonly plans: readonly Pick<PopulationPlan, "population" | "watch">[];
  readonly onNotice?: ((notice: WatchNotice) => Promise<void> | void) | undefined;
  readonly onFault: (where: string, cause: unknown) => void;
}

/** What endpoints are told of a drift, and under which id: the same drift has the same. */
export function driftMessage({
  population,
  name,
  looks,
  found,
}: DriftReport): readonly [id: string, data: Readonly<Record<string, string | number | null>>] {
  const last = looks.at(-1);
  const data = {
    population,
    query: name,
    turn: last?.turn ?? null,
    round: last?.round ?? null,
    reference: last?.reference ?? null,
    jensenShannon: last?.drift?.jensenShannon.value ?? null,
    stabilityIndex: last?.drift?.stabilityIndex.value ?? null,
    pValue: last?.drift?.pValue ?? null,
  };
  return [`msg_drift_${population}_${name}_${found}`, data];
}

/** Follows the answers of a coordinator's populations for those that watch them. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #waiting = new Set<() => void>();
  readonly #told = new Map<string, number>();
  #working: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** A round of a population has closed: those that wait for its answers look again. */
  closed(population: string): void {
    for (const wake of [...this.#waiting]) wake();
    this.#working = this.#working
      .then(() => this.#look(population))
      .catch((cause: unknown) => this.#options.onFault("watch", cause));
  }

  /** All that has been closed so far is acted on when this resolves. */
  settled(): Promise<void> {
    return this.#working;
  }

  /**
   * Waits until a plan may train its next round: at once, unless it is the first of those that wait for one more drift.
   *
   * @param trained training rounds that are closed
   */
  async untilDue(watch: PlanWatch | null, trained: number, signal: AbortSignal): Promise<void> {
    const due = driftsDue(watch, trained);
    while (watch !== null && due > 0 && !signal.aborted) {
      const changed = this.#changed(signal);
      if ((await this.#driftsIn(watch)) >= due) {
        changed.cancel();
        return;
      }
      await changed.done;
    }
  }

  async #driftsIn({ population, retrain }: PlanWatch): Promise<number> {
    const reports = driftReports(await answeredQueries(this.#options, population));
    return reports.filter(({ name }) => name === retrain?.query).reduce((sum, { found }) => sum + found, 0);
  }

  #changed(signal: AbortSignal): { readonly done: Promise<void>; cancel(): void } {
    let cancel = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      // Another coordinator of the same store may lead the population that answers.
      const timer = setTimeout(() => cancel(), LOOK_AGAIN_MS);
      cancel = () => {
        clearTimeout(timer);
        this.#waiting.delete(cancel);
        signal.removeEventListener("abort", cancel);
        resolve();
      };
    });
    this.#waiting.add(cancel);
    signal.addEventListener("abort", cancel, { once: true });
    return { done, cancel };
  }

  async #look(population: string): Promise<void> {
    const answers = await answeredQueries(this.#options, population);
    if (answers.length === 0) return;
    for (const report of driftReports(answers)) {
      const key = JSON.stringify([report.population, report.name]);
      if (report.found > (this.#told.get(key) ?? 0) && report.looks.at(-1)?.drift?.isDrift === true) {
        await this.#options.onNotice?.({ type: "drift", report });
      }
      this.#told.set(key, report.found);
    }
    for (const plan of this.#options.plans) {
      if (plan.watch?.population === population) await this.#judge(plan.population, plan.watch);
    }
  }

  /** Moves a canary when the answers that came since it is one say so. */
  async #judge(population: string, { canary, population: answering }: PlanWatch): Promise<void> {
    const { store, ledger, clock, onNotice } = this.#options;
    const models = await readRegistry(store.db, population);
    const model = models.find(({ stage }) => stage === "canary");
    if (canary === undefined || model === undefined) return;
    const all = await answeredQueries(this.#options, answering);
    const since = all.filter((answer) => isAbout(model, models, answer));
    const analyses = experimentAnalyses(since, { plannedLooks: await plannedTurns(store) });
    const differences = [canary.query, ...(canary.segments ?? [])].map((query) =>
      differenceIn(analyses.find(({ name }) => name === query)),
    );
    const verdict = judgeCanary(differences, canary.margin);
    if (verdict === "wait") return;
    const type = verdict === "promote" ? ("promote" as const) : ("rollback" as const);
    await commitMove(ledger, population, { type, round: model.round, nowMs: clock.now() });
    await onNotice?.({ type: "canary", population, round: model.round, verdict });
  }
}

/**
 * Whether an answer is about a canary and no other. What was asked before it became one, devices may have answered before that:
 * about the canary before, unless that was over by then, or, where the query does not ask per trial, about none at all.
 */
function isAbout(
  { entryIndex, sinceMs, round }: RegisteredModel,
  models: readonly RegisteredModel[],
  { query, planIndex, closedMs }: AnsweredQuery,
): boolean {
  if (entryIndex === null) return false;
  const before = models.flatMap((other) => (other.round === round ? [] : (other.entryIndex ?? [])));
  const since = Math.max(...before.filter((index) => index < entryIndex), 0);
  const isPerTrial = query.kind === "experiment" && query.per !== undefined;
  return planIndex > (isPerTrial ? since : entryIndex) && closedMs >= sinceMs;
}

/** Canary less live; undefined where an arm has fewer devices than the query lets be told, or too few for its noise. */
function differenceIn(experiment: ExperimentAnalysis | undefined): CanaryDifference {
  if (experiment === undefined || experiment.arms.some(({ count }) => count === null)) return undefined;
  return experiment.analyses[0]?.analysis?.sequential.interval;
}

/** How many drifts must have been found before a plan trains the round after so many. */
function driftsDue(watch: PlanWatch | null, trained: number): number {
  if (watch?.retrain === undefined) return 0;
  const { after, each } = watch.retrain;
  return trained < after ? 0 : Math.floor((trained - after) / each) + 1;
}
