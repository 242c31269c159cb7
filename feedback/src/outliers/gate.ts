// Before a device trains or takes a new model: are its own data what data of people look like?
import { ClientError, type Trainer } from "@fedloop/client-runtime";
import { FeedbackError } from "../errors.js";
import { seededNumbers } from "../random/numbers.js";
import type { OutlierDetector } from "./detector.js";
import { isolationForest } from "./isolation-forest.js";
import { quantile } from "./median.js";
import { robustZ } from "./robust-z.js";

/** What a gate is fitted with. Everything in here is the same for all devices: a public table and a seed. */
export interface OutlierGateOptions {
  /** Usual rows, one for each of some devices: as many numbers each. At least 50. */
  readonly reference: readonly (readonly number[])[];
  readonly seed: string | number;
  /** Part of usual devices that may be flagged; 0.04 unless given. */
  readonly falsePositives?: number;
  /** From a part of the reference; robust z-scores and an isolation forest unless given. */
  readonly detectors?: (reference: readonly (readonly number[])[]) => readonly OutlierDetector[];
}

/** What a gate says of a row. */
export interface GateVerdict {
  readonly flagged: boolean;
  /** Names of the detectors that found it strange. */
  readonly by: readonly string[];
}

/** Tells usual rows from strange ones. */
export interface OutlierGate {
  check(row: readonly number[]): GateVerdict;
}

const LEAST_REFERENCE = 50;

/**
 * Fits a gate: detectors on one half of the reference, their thresholds on the other, so that together they flag about as many
 * usual rows as allowed.
 *
 * @throws FeedbackError BAD_OPTION
 */
export function outlierGate({ reference, seed, falsePositives = 0.04, detectors }: OutlierGateOptions): OutlierGate {
  const width = reference[0]?.length ?? 0;
  const isEven = reference.every((row) => row.length === width && row.every(Number.isFinite));
  if (reference.length < LEAST_REFERENCE || width === 0 || !isEven) {
    throw new FeedbackError("BAD_OPTION", `expected ${LEAST_REFERENCE} rows of as many finite numbers, or more`);
  }
  if (!(falsePositives > 0 && falsePositives < 1)) {
    throw new FeedbackError("BAD_OPTION", `expected a part between 0 and 1 of false positives, came ${falsePositives}`);
  }
  const shuffled = seededNumbers(`gate ${seed}`).shuffle([...reference]);
  const half = Math.ceil(shuffled.length / 2);
  const [fitted, held] = [shuffled.slice(0, half), shuffled.slice(half)];
  const all = detectors?.(fitted) ?? [robustZ(fitted), isolationForest(fitted, { seed })];
  const scores = all.map((detector) => held.map((row) => detector.score(row)));
  // Detectors agree on much of what they flag: the part for each is the largest with which all together flag few enough.
  const flaggedAt = (part: number): number => {
    const thresholds = scores.map((own) => quantile(own, 1 - part));
    return (
      held.filter((_, row) => scores.some((own, i) => (own[row] ?? 0) > (thresholds[i] ?? 0))).length / held.length
    );
  };
  let [low, high] = [0, falsePositives];
  for (let step = 0; step < 30; step++) {
    const middle = (low + high) / 2;
    if (flaggedAt(middle) <= falsePositives) low = middle;
    else high = middle;
  }
  const thresholds = scores.map((own) => quantile(own, 1 - low));
  return {
    check(row) {
      if (row.length !== width || !row.every(Number.isFinite)) return { flagged: true, by: ["malformed"] };
      const by = all.filter((detector, i) => detector.score(row) > (thresholds[i] ?? 0)).map(({ name }) => name);
      return { flagged: by.length > 0, by };
    },
  };
}

/** The model that a device uses: the newest one that it took while its own data were not strange. */
export class TrustedModel<Model> {
  readonly #gate: OutlierGate;
  #current: Model;

  /** @param trusted what is used until a newer one is taken */
  constructor(gate: OutlierGate, trusted: Model) {
    this.#gate = gate;
    this.#current = trusted;
  }

  get current(): Model {
    return this.#current;
  }

  /** Takes a candidate, unless this device is flagged: then it keeps the last one that it trusted. @param row of this device now */
  consider(candidate: Model, row: readonly number[]): GateVerdict {
    const verdict = this.#gate.check(row);
    if (!verdict.flagged) this.#current = candidate;
    return verdict;
  }
}

/**
 * A trainer that does not train while the device is flagged: nothing of it goes into the round.
 *
 * @param row of this device, when a round begins
 * @returns a trainer whose `train` throws ClientError HELD then
 */
export function gatedTrainer(trainer: Trainer, gate: OutlierGate, row: () => Promise<readonly number[]>): Trainer {
  return {
    id: trainer.id,
    ...(trainer.isExampleLevel === undefined ? {} : { isExampleLevel: trainer.isExampleLevel }),
    ...(trainer.answersQueries === undefined ? {} : { answersQueries: trainer.answersQueries }),
    async train(task) {
      const { flagged } = gate.check(await row());
      // Without what was found: the reason would say something about the person's data.
      if (flagged) throw new ClientError("HELD", "the training was given up: this device's data are not usual");
      return trainer.train(task);
    },
    evaluate: (task) => trainer.evaluate(task),
  };
}
