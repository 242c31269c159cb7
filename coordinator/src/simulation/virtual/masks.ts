import type { MASKS, WrittenSimulation } from "../../plan/simulation-schema.js";
import type { RoundSpec } from "../../rounds/round-spec.js";
import { graphOf } from "./group-rules.js";

/** Whether virtual devices agree on masks, or what they would mask is added up as it is. The sums are the same. */
export type Masks = (typeof MASKS)[number];

/** Processor time of a device and each of its neighbours: agreeing on keys, dealing, opening and revealing shares. Measured. */
const NEIGHBOUR_MS = 0.2;
/** Of one coordinate of the mask between them. */
const COORDINATE_MS = 4e-6;
/** A plan whose masks take no longer than this of one processor, all rounds together, is simulated with them unless it says otherwise. */
const AFFORDABLE_MS = 5 * 60_000;

/** @returns null for a plan without secure aggregation */
export function masksOf({ masks }: Pick<WrittenSimulation, "masks">, rounds: readonly RoundSpec[]): Masks | null {
  if (!rounds.some(({ secureAggregation }) => secureAggregation.enabled)) return null;
  return masks ?? (maskingMs(rounds) <= AFFORDABLE_MS ? "full" : "none");
}

/** About what the masks of these rounds take of one processor, milliseconds. */
export function maskingMs(rounds: readonly RoundSpec[]): number {
  return rounds.reduce((sum, spec) => {
    const { secureAggregation, cohort, format } = spec;
    const graph = graphOf(spec);
    if (graph === undefined || !secureAggregation.enabled) return sum;
    const devices = Math.ceil(cohort.target * cohort.overSelection);
    const { degree } = graph(Math.max(Math.min(secureAggregation.parameters.groupTarget, devices), 2));
    return sum + devices * degree * (NEIGHBOUR_MS + COORDINATE_MS * format.length);
  }, 0);
}
