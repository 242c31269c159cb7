// What of an experiment may leave a device: a vector of zeros and ones that is added up securely, with noise.
import { FeedbackError } from "../errors.js";
import type { Assignment, ExperimentDefinition } from "./assignment.js";

/** Which entry of a vector counts what: for each arm who is in it, then each outcome. */
export interface ArmCountsLayout {
  readonly experiment: string;
  readonly version: number;
  readonly arms: readonly string[];
  readonly outcomes: readonly string[];
}

/** The counts of one arm, of one device or added up over many, with noise or without. */
export interface ArmCounts {
  readonly arm: string;
  /** Devices in the arm. */
  readonly assigned: number;
  /** Of them, those with each outcome. */
  readonly outcomes: { readonly [outcome: string]: number };
}

export function armCountsLayout({ id, version, arms, outcomes }: ExperimentDefinition): ArmCountsLayout {
  return { experiment: id, version, arms: arms.map(({ name }) => name), outcomes };
}

/** Numbers in a vector of the layout. */
export function armCountsLength({ arms, outcomes }: ArmCountsLayout): number {
  return arms.length * (1 + outcomes.length);
}

/** The L2 norm that a device's vector has at most: one count and each outcome once, all in one arm. */
export function armCountsNormBound({ outcomes }: ArmCountsLayout): number {
  return Math.sqrt(1 + outcomes.length);
}

/**
 * A device's own vector: ones for its arm and for the outcomes that happened to it, zeros else. Who is in no arm gives zeros, so
 * that reporting tells nothing.
 *
 * @throws FeedbackError BAD_EXPERIMENT for an arm or outcome that the layout does not have
 */
export function armCountsVector(
  layout: ArmCountsLayout,
  assignment: Assignment,
  outcomes: ReadonlySet<string>,
): Float32Array {
  const vector = new Float32Array(armCountsLength(layout));
  if (assignment.type !== "arm") return vector;
  const arm = layout.arms.indexOf(assignment.arm);
  if (arm < 0) throw new FeedbackError("BAD_EXPERIMENT", `${layout.experiment} has no arm "${assignment.arm}"`);
  const start = arm * (1 + layout.outcomes.length);
  vector[start] = 1;
  for (const outcome of outcomes) {
    const at = layout.outcomes.indexOf(outcome);
    if (at < 0) throw new FeedbackError("BAD_EXPERIMENT", `${layout.experiment} has no outcome "${outcome}"`);
    vector[start + 1 + at] = 1;
  }
  return vector;
}

/** A vector, or a sum of vectors, by name. @throws FeedbackError BAD_EXPERIMENT for one of another length */
export function readArmCounts(layout: ArmCountsLayout, sums: ArrayLike<number>): ArmCounts[] {
  const width = 1 + layout.outcomes.length;
  if (sums.length !== armCountsLength(layout)) {
    throw new FeedbackError("BAD_EXPERIMENT", `expected ${armCountsLength(layout)} counts, came ${sums.length}`);
  }
  return layout.arms.map((arm, i) => ({
    arm,
    assigned: sums[i * width] ?? 0,
    outcomes: Object.fromEntries(layout.outcomes.map((outcome, at) => [outcome, sums[i * width + 1 + at] ?? 0])),
  }));
}
