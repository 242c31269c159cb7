import { CoordinatorError } from "../errors.js";
import type { ModelStageName } from "../store/operations-tables.js";

/** A released model, and what devices have of it. */
export interface StagedModel {
  /** The round that made it. */
  readonly round: number;
  /**
   * `candidate`: no app uses it yet; `canary`: those of some devices do; `live`: those of all others; `superseded`: it was
   * live until another took its place; `rolled-back`: it was taken away, for good.
   */
  readonly stage: ModelStageName;
  /** Of 10 000 devices, how many get a canary; null in other stages. */
  readonly share: number | null;
  /** Since when, milliseconds since the epoch. */
  readonly sinceMs: number;
}

/** What a round or an operator does about models. */
export type StageMessage =
  /** A round has released a model. With `promotes` it goes live by itself, unless an operator stands in the way. */
  | { readonly type: "released"; readonly round: number; readonly promotes: boolean; readonly nowMs: number }
  | { readonly type: "canary"; readonly round: number; readonly share: number; readonly nowMs: number }
  | { readonly type: "promote"; readonly round: number; readonly nowMs: number }
  /** Takes the canary, or else the live model, away; `round` says which is meant. */
  | { readonly type: "rollback"; readonly round: number; readonly nowMs: number };

export interface StageStep {
  readonly models: readonly StagedModel[];
  /** Those whose stage or share is another than before. */
  readonly changed: readonly StagedModel[];
}

/**
 * The registry of one population's models: pure. At most one model is live and at most one a canary.
 *
 * @throws CoordinatorError NOT_FOUND, WRONG_STATE when an operator asks for what the stages do not allow
 */
export function stepStages(models: readonly StagedModel[], message: StageMessage): StageStep {
  const { round, nowMs } = message;
  switch (message.type) {
    case "released": {
      const goesLive = message.promotes && !isHeld(models);
      const fresh: StagedModel = { round, stage: "candidate", share: null, sinceMs: nowMs };
      const known = [...models.filter((model) => model.round !== round), fresh];
      return goesLive ? goLive(known, fresh, nowMs) : { models: known, changed: [fresh] };
    }
    case "canary": {
      const model = find(models, round);
      requireStage(model, ["candidate", "canary"], "be given to some devices");
      const other = models.find(({ stage }) => stage === "canary");
      if (other !== undefined && other.round !== round) {
        throw new CoordinatorError(
          "WRONG_STATE",
          `expected no other canary, the model of round ${other.round} is one; promote it or roll it back first`,
        );
      }
      return changed(models, [{ ...model, stage: "canary", share: message.share, sinceMs: nowMs }]);
    }
    case "promote": {
      const model = find(models, round);
      requireStage(model, ["candidate", "canary", "superseded"], "go live");
      return goLive(models, model, nowMs);
    }
    case "rollback": {
      const model = find(models, round);
      requireStage(model, ["canary", "live"], "be rolled back");
      const gone: StagedModel = { ...model, stage: "rolled-back", share: null, sinceMs: nowMs };
      const before = model.stage === "live" ? lastSuperseded(models) : undefined;
      return changed(models, before === undefined ? [gone] : [gone, { ...before, stage: "live", sinceMs: nowMs }]);
    }
  }
}

/**
 * Whether new models wait for an operator: one newer than the live model is a canary, was rolled back, or waits already.
 */
export function isHeld(models: readonly StagedModel[]): boolean {
  const live = models.find(({ stage }) => stage === "live")?.round ?? 0;
  return models.some(({ round }) => round > live);
}

function goLive(models: readonly StagedModel[], model: StagedModel, nowMs: number): StageStep {
  const fresh: StagedModel = { ...model, stage: "live", share: null, sinceMs: nowMs };
  const before = models.find(({ stage }) => stage === "live");
  if (before?.round === model.round) return { models, changed: [] };
  return changed(models, before === undefined ? [fresh] : [{ ...before, stage: "superseded", sinceMs: nowMs }, fresh]);
}

/** The model that was live before the present one. */
function lastSuperseded(models: readonly StagedModel[]): StagedModel | undefined {
  return models
    .filter(({ stage }) => stage === "superseded")
    .sort((a, b) => b.sinceMs - a.sinceMs || b.round - a.round)[0];
}

function find(models: readonly StagedModel[], round: number): StagedModel {
  const model = models.find((it) => it.round === round);
  if (model !== undefined) return model;
  throw new CoordinatorError("NOT_FOUND", `expected a round that released a model, came ${round}`);
}

function requireStage({ round, stage }: StagedModel, allowed: readonly ModelStageName[], what: string): void {
  if (allowed.includes(stage)) return;
  throw new CoordinatorError(
    "WRONG_STATE",
    `expected a model that is ${allowed.join(" or ")} to ${what}, that of round ${round} is ${stage}`,
  );
}

function changed(models: readonly StagedModel[], news: readonly StagedModel[]): StageStep {
  const byRound = new Map(news.map((model) => [model.round, model]));
  return { models: models.map((model) => byRound.get(model.round) ?? model), changed: news };
}
