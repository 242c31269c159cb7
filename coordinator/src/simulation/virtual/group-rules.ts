import { type MaskGraph, maskGraph } from "@fedloop/privacy/secagg";
import type { RoundSpec } from "../../rounds/round-spec.js";
import type { GroupRules } from "./course.js";

/** The graph of a round's groups, by their members; undefined without secure aggregation. */
export function graphOf({
  secureAggregation,
}: Pick<RoundSpec, "secureAggregation">): ((members: number) => Pick<MaskGraph, "degree" | "threshold">) | undefined {
  if (!secureAggregation.enabled) return undefined;
  const { parameters } = secureAggregation;
  const { graph, corruptFraction, dropoutFraction, adversary } = parameters;
  const fractions = { corruptFraction: Number(corruptFraction), dropoutFraction: Number(dropoutFraction) };
  const policy =
    graph === "complete" ? ({ type: graph } as const) : ({ type: graph, adversary, ...fractions } as const);
  const known = new Map<number, MaskGraph>();
  return (members) => {
    const graph = known.get(members) ?? maskGraph(policy, members);
    known.set(members, graph);
    return graph;
  };
}

/** What the groups of a round need; null without secure aggregation. */
export function groupRules(spec: Pick<RoundSpec, "secureAggregation">): GroupRules | null {
  const graph = graphOf(spec);
  if (graph === undefined || !spec.secureAggregation.enabled) return null;
  return { ...spec.secureAggregation.parameters, threshold: (members) => graph(members).threshold };
}
