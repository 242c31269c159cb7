// Which models devices were given, as the log tells it: only released ones, and each change follows from those before.
import { type ModelStage, type ModelStanding, standingAfter } from "../entries/model-stage.js";
import type { ModelRelease } from "../entries/release.js";
import { canonicalText } from "../json/canonical.js";
import type { FindingSink } from "./finding.js";

const NONE: ModelStanding = { live: null, canary: null };

/** Follows the stages of all populations' models. */
export class StageAudit {
  readonly #sink: FindingSink;
  /** Population, round and hash of each model that devices may be given. */
  readonly #released = new Set<string>();
  readonly #standing = new Map<string, ModelStanding>();

  constructor(sink: FindingSink) {
    this.#sink = sink;
  }

  /** A round has released a model, and paid for it. */
  release({ population, round, model }: Pick<ModelRelease, "population" | "round" | "model">): void {
    this.#released.add(`${population}\n${round}\n${model}`);
  }

  take(index: number, change: ModelStage): void {
    const { population, round, model, stage } = change;
    const name = `${population}\n${round}\n${model}`;
    if (!this.#released.has(name))
      this.#sink.entry(
        "STAGE_MODEL",
        index,
        `Round ${round} of ${population} released no such model, or it was rolled back.`,
      );
    if (stage === "rolled-back") this.#released.delete(name);
    const before = this.#standing.get(population) ?? NONE;
    const reason = misorder(before, change);
    if (reason !== undefined) this.#sink.entry("STAGE_ORDER", index, reason);
    const after = standingAfter(before, change);
    if (canonicalText(change.standing) !== canonicalText(after))
      this.#sink.entry("STAGE_ORDER", index, `The entry states other models as given than it and those before make.`);
    this.#standing.set(population, after);
  }
}

/** Why a change cannot come after what was given before it; undefined where it can. */
function misorder({ live, canary }: ModelStanding, { round, stage }: ModelStage): string | undefined {
  switch (stage) {
    case "canary":
      if (canary !== null && canary.round !== round) return `The model of round ${canary.round} was a canary already.`;
      return live?.round === round ? `The model of round ${round} was live already.` : undefined;
    case "live":
      return live?.round === round ? `The model of round ${round} was live already.` : undefined;
    case "rolled-back":
      return live?.round === round || canary?.round === round
        ? undefined
        : `The model of round ${round} was neither live nor a canary.`;
  }
}
