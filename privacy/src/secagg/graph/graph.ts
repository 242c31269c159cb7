import { SecAggError } from "../errors.js";
import { completeThreshold, type GraphDegree, hararyDegree } from "./degree.js";
import type { GraphPolicy } from "./policy.js";

/**
 * Who masks with whom. Members are numbered 0 to n−1 in ring order; the numbering is what is random (see
 * `randomPermutation`), so the graph itself is a function of n alone and a device can check its own part of it.
 */
export interface MaskGraph {
  readonly members: number;
  /** Neighbours of each member. */
  readonly degree: number;
  /** Shares that rebuild a secret. */
  readonly threshold: number;
  /** Those that mask with `member`, in ascending order, without it. */
  neighbours(member: number): readonly number[];
  /**
   * Those that hold shares of `member`'s secrets, in ascending order; the n-th holder's share is taken at x = n + 1.
   * In a complete graph it holds one of its own, so that "at least t of n survive" suffices.
   */
  holders(member: number): readonly number[];
}

/**
 * The graph of a policy for a cohort.
 *
 * @throws SecAggError INFEASIBLE_GRAPH
 */
export function maskGraph(policy: GraphPolicy, members: number): MaskGraph {
  if (!Number.isSafeInteger(members) || members < 2) {
    throw new SecAggError("INFEASIBLE_GRAPH", `A graph needs 2 devices; asked for ${members}.`);
  }
  return policy.type === "complete" ? completeGraph(members) : hararyGraph(members, hararyDegree(members, policy));
}

function completeGraph(members: number): MaskGraph {
  const everybody = Array.from({ length: members }, (_, member) => member);
  const neighbours = remembered((member) => everybody.filter((other) => other !== member));
  return { members, degree: members - 1, threshold: completeThreshold(members), neighbours, holders: () => everybody };
}

function hararyGraph(members: number, { degree, threshold }: GraphDegree): MaskGraph {
  const neighbours = remembered((member) => {
    const found: number[] = [];
    for (let distance = 1; distance <= degree / 2; distance++) {
      found.push((member + distance) % members, (member - distance + members) % members);
    }
    return found.sort((a, b) => a - b);
  });
  return { members, degree, threshold, neighbours, holders: neighbours };
}

/** A server asks for the same list once for every share. */
function remembered(list: (member: number) => readonly number[]): (member: number) => readonly number[] {
  const known = new Map<number, readonly number[]>();
  return (member) => {
    const found = known.get(member) ?? list(member);
    known.set(member, found);
    return found;
  };
}
