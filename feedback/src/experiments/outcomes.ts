// What happened to this device in its experiments, kept until it was reported.
import type { DeviceStore } from "@fedloop/client-runtime";
import * as z from "zod/mini";
import { FeedbackError } from "../errors.js";
import { armCountsLayout, armCountsVector } from "./arm-counts.js";
import type { Experiments } from "./assignment.js";

const PREFIX = "experiments/outcomes/";
const outcomesSchema = z.strictObject({ version: z.int(), outcomes: z.array(z.string()) });

/** A row for federated analytics: one column for the arm, and the outcome as 1 or 0. */
export interface OutcomeRow {
  readonly arm: string;
  readonly [outcome: string]: string | number;
}

/** The outcomes of one device. */
export class OutcomeLog {
  readonly #experiments: Experiments;
  readonly #store: DeviceStore;

  constructor(experiments: Experiments, store: DeviceStore) {
    this.#experiments = experiments;
    this.#store = store;
  }

  /**
   * Notes that an outcome happened. More than once counts once; who is in no arm notes nothing.
   *
   * @throws FeedbackError BAD_EXPERIMENT for an outcome that the experiment does not declare
   */
  async note(experimentId: string, outcome: string): Promise<void> {
    const { version, outcomes } = this.#experiments.experiment(experimentId);
    if (!outcomes.includes(outcome)) {
      throw new FeedbackError("BAD_EXPERIMENT", `${experimentId} has no outcome "${outcome}"; declare it`);
    }
    if (this.#experiments.assign(experimentId).type !== "arm") return;
    const noted = await this.of(experimentId);
    if (noted.has(outcome)) return;
    const text = JSON.stringify({ version, outcomes: [...noted, outcome] });
    await this.#store.put(PREFIX + experimentId, new TextEncoder().encode(text));
  }

  /** The outcomes so far, of the experiment's present version. @throws FeedbackError LOG_CORRUPT */
  async of(experimentId: string): Promise<ReadonlySet<string>> {
    const { version } = this.#experiments.experiment(experimentId);
    const bytes = await this.#store.get(PREFIX + experimentId);
    if (bytes === undefined) return new Set();
    const kept = parsed(bytes);
    return new Set(kept.version === version ? kept.outcomes : []);
  }

  /** What the device adds to a secure sum about an experiment; zeros where it is in no arm. */
  async vector(experimentId: string): Promise<Float32Array> {
    const layout = armCountsLayout(this.#experiments.experiment(experimentId));
    return armCountsVector(layout, this.#experiments.assign(experimentId), await this.of(experimentId));
  }

  /** The same as rows of a table, for queries of federated analytics; none where the device is in no arm. */
  async rows(experimentId: string): Promise<readonly OutcomeRow[]> {
    const assignment = this.#experiments.assign(experimentId);
    if (assignment.type !== "arm") return [];
    const noted = await this.of(experimentId);
    const { outcomes } = this.#experiments.experiment(experimentId);
    return [
      { ...Object.fromEntries(outcomes.map((outcome) => [outcome, noted.has(outcome) ? 1 : 0])), arm: assignment.arm },
    ];
  }

  /** Forgets all outcomes: after a withdrawal of the purpose that they were kept for. */
  async erase(): Promise<void> {
    for (const key of await this.#store.keys(PREFIX)) await this.#store.delete(key);
  }
}

function parsed(bytes: Uint8Array): z.infer<typeof outcomesSchema> {
  try {
    return z.parse(outcomesSchema, JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    // Without the cause: it may quote what happened to the person.
    throw new FeedbackError("LOG_CORRUPT", "expected an experiment's outcomes, came something else; erase them");
  }
}
