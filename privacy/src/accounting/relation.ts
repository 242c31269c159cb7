import { PrivacyError } from "../errors.js";
import type { DpEvent } from "./events.js";

/**
 * Which two data sets count as neighbours: one participant added or removed; one replaced by another; one replaced by
 * a blank that contributes zero.
 */
export type NeighbouringRelation = "add-or-remove-one" | "replace-one" | "replace-special";

const ALL: readonly NeighbouringRelation[] = ["add-or-remove-one", "replace-one", "replace-special"];

/**
 * The relations under which an event's parameters have a meaning. A noise multiplier is relative to the sensitivity
 * under whichever relation is in force, so additive noise fits all; sampling and participation schemes do not.
 */
export function relationsOf(event: DpEvent): readonly NeighbouringRelation[] {
  switch (event.type) {
    case "RandomizedResponse":
      return ["replace-one", "replace-special"];
    case "PoissonSampled":
      return relationsOf(event.event);
    case "SampledWithoutReplacement":
      return relationsOf(event.event).filter((relation) => relation === "replace-one");
    case "SingleEpochTreeAggregation":
    case "TreeAggregation":
    case "BltMatrixFactorization":
    case "BandedMatrixFactorization":
      return ["replace-special"];
    case "Composed":
      return ALL.filter((relation) => event.events.every((inner) => relationsOf(inner).includes(relation)));
    case "SelfComposed":
      return relationsOf(event.event);
    default:
      return ALL;
  }
}

/**
 * The relation to account an event under when nobody names one: the first it fits of add-or-remove-one, replace-one
 * and replace-special.
 *
 * @throws PrivacyError UNSUPPORTED_EVENT when parts of a composition fit no common relation
 */
export function defaultRelation(event: DpEvent): NeighbouringRelation {
  const relation = relationsOf(event)[0];
  if (relation === undefined) {
    throw new PrivacyError(
      "UNSUPPORTED_EVENT",
      "The parts of this composition are stated for different neighbouring relations and cannot be added up.",
    );
  }
  return relation;
}

/** @throws PrivacyError UNSUPPORTED_EVENT unless the event can be accounted under the relation */
export function requireRelation(event: DpEvent, relation: NeighbouringRelation): void {
  const accepted = relationsOf(event);
  if (!accepted.includes(relation)) {
    throw new PrivacyError(
      "UNSUPPORTED_EVENT",
      `${event.type} is defined for neighbouring by ${accepted.join(" or ") || "no common relation"}, not ${relation}.`,
    );
  }
}
