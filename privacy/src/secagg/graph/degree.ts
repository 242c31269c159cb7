import { SecAggError } from "../errors.js";
import { logBinomial, lowerTail, upperTail } from "./hypergeometric.js";
import type { HararyGraphPolicy } from "./policy.js";

/** How many neighbours a device has, and how many shares of a neighbour's secret reveal it. */
export interface GraphDegree {
  readonly degree: number;
  readonly threshold: number;
}

/** The masks of an honest device hold but for this probability: 2^-40 for the cohort. */
const SECURITY_BITS = 40;
/** The round completes but for this probability: 2^-20, while dropouts stay within the policy's fraction. */
const CORRECTNESS_BITS = 20;
/** Keeps a fraction such as 0.29 × 100 = 28.999… from losing a corrupt device to rounding. */
const ROUNDING_SLACK = 1e-14;
const MAXIMUM_MEMBERS = 1_000_000;
/** Beyond it no degree below the complete graph's is left to find. */
const MAXIMUM_BAD_FRACTION = 0.9;

/**
 * The smallest even degree, and a threshold, at which a random Harary graph of `members` devices keeps a round secure
 * but for probability 2^-40 and correct but for 2^-20 (Bell et al. 2020, "Secure Single-Server Aggregation with
 * (Poly)Logarithmic Overhead", section 3.5; with hypergeometric tails in place of their Chernoff bounds).
 *
 * Secure means that the honest survivors' graph is connected, and that no device has so many corrupt neighbours that
 * they can rebuild its secret; against a semi-malicious server also, that no device's honest neighbours can be told
 * different things so that both of its secrets are rebuilt. Correct means that enough neighbours survive.
 *
 * @param members devices in the graph
 * @throws SecAggError INFEASIBLE_GRAPH with the reason
 */
export function hararyDegree(members: number, policy: HararyGraphPolicy): GraphDegree {
  const name = `${members} ${policy.corruptFraction} ${policy.dropoutFraction} ${policy.adversary}`;
  const found = known.get(name) ?? searchDegree(members, policy);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(name, found);
  return found;
}

/** Every device of a simulated cohort asks for the same degree; a search takes 1 to 80 ms. */
const known = new Map<string, GraphDegree>();
const MOST_KNOWN = 256;

function searchDegree(members: number, policy: HararyGraphPolicy): GraphDegree {
  requireFeasible(members, policy);
  const corrupt = Math.floor((policy.corruptFraction + ROUNDING_SLACK) * members);
  const dropped = Math.floor((policy.dropoutFraction + ROUNDING_SLACK) * members);
  const surviving = Math.ceil((1 - policy.dropoutFraction - ROUNDING_SLACK) * members);
  // The two ways to lose security share the bound evenly; each is a union bound over all devices.
  const perEvent = 2 ** -(SECURITY_BITS + 1);
  const perDevice = perEvent / members;
  const failurePerDevice = 2 ** -CORRECTNESS_BITS / members;
  let mostCorrupt = 0;
  let enoughSurviving = 0;
  for (let degree = 2; degree < members - 1; degree += 2) {
    // Both quantiles only grow with the degree, so the search goes on from the last degree's.
    while (upperTail({ population: members, marked: corrupt, draws: degree }, mostCorrupt) > perDevice) mostCorrupt++;
    const survivors = { population: members, marked: surviving, draws: degree };
    while (lowerTail(survivors, enoughSurviving) < failurePerDevice) enoughSurviving++;
    if (logDisconnected(members, degree, corrupt + dropped) >= Math.log(perEvent)) continue;
    const below = policy.adversary === "semi-malicious" ? Math.ceil((mostCorrupt + degree - 1.25) / 2) : mostCorrupt;
    // A secret in one share is no secret: at least two.
    if (enoughSurviving > below) return { degree, threshold: Math.max(below + 1, 2) };
  }
  throw new SecAggError(
    "INFEASIBLE_GRAPH",
    `${members} devices with ${policy.corruptFraction} corrupt and ${policy.dropoutFraction} dropping out leave no ` +
      "degree below the complete graph. Take the complete graph, a larger cohort, or a smaller fraction.",
  );
}

/**
 * Shares needed in a complete graph: ⌊2n/3⌋+1. Two survivor sets cannot both gather that many signatures while fewer
 * than a third sign both (Bonawitz et al. 2017, section 6.2).
 */
export function completeThreshold(members: number): number {
  return Math.floor((2 * members) / 3) + 1;
}

/**
 * ln of a bound on the probability that removing `bad` of the devices disconnects the ring. A cut takes degree/2
 * consecutive devices in two places; the bound adds over all pairs of places.
 */
function logDisconnected(members: number, degree: number, bad: number): number {
  if (degree > bad) return Number.NEGATIVE_INFINITY;
  const pairsOfGaps = Math.log(members) + Math.log(members - degree - 1) - Math.log(2);
  return pairsOfGaps + logBinomial(bad, degree) - logBinomial(members, degree);
}

function requireFeasible(members: number, policy: HararyGraphPolicy): void {
  const { corruptFraction, dropoutFraction, adversary } = policy;
  if (!Number.isSafeInteger(members) || members < 1 || members > MAXIMUM_MEMBERS) {
    throw new SecAggError("INFEASIBLE_GRAPH", `A graph has 1 to ${MAXIMUM_MEMBERS} devices; asked for ${members}.`);
  }
  for (const [name, fraction] of Object.entries({ corruptFraction, dropoutFraction })) {
    if (!(fraction >= 0 && fraction < 1)) {
      throw new SecAggError("INFEASIBLE_GRAPH", `${name} must be in [0, 1); it is ${fraction}.`);
    }
  }
  if (adversary === "none" && corruptFraction > 0) {
    throw new SecAggError("INFEASIBLE_GRAPH", 'With the adversary "none" corruptFraction must be 0.');
  }
  const bad = corruptFraction + (adversary === "semi-malicious" ? 2 : 1) * dropoutFraction;
  if (bad > MAXIMUM_BAD_FRACTION) {
    throw new SecAggError(
      "INFEASIBLE_GRAPH",
      `corruptFraction + ${adversary === "semi-malicious" ? "2 × " : ""}dropoutFraction must be at most ` +
        `${MAXIMUM_BAD_FRACTION}; it is ${bad}. Plan for fewer dropouts or fewer corrupt devices.`,
    );
  }
}
