// Hyper-parameters that devices have voted for: what training goes on with follows from sums that were released.
import type { AdaptationSources } from "../rounds/adapted-spec.js";
import type { RoundSpec } from "../rounds/round-spec.js";
import { type AnsweredQuery, answeredQueries } from "./results.js";

/**
 * A round with the settings that won the votes before it; with the plan's own where no candidate has as many votes as the query
 * releases. The votes are in the log and closed before the first such round is planned, so a restart changes nothing.
 */
export async function tunedSpec(spec: RoundSpec, sources: AdaptationSources): Promise<RoundSpec> {
  if (spec.tuning.length === 0) return spec;
  const answers = await answeredQueries(sources, sources.population);
  let { settings } = spec.trainer;
  for (const { query, candidates } of spec.tuning) {
    const winner = winnerOf(answers.filter(({ name }) => name === query));
    settings = { ...settings, ...(winner === undefined ? {} : candidates[winner]) };
  }
  return { ...spec, trainer: { ...spec.trainer, settings } };
}

/** The candidate with the most votes in all turns together; undefined where none was released. */
function winnerOf(turns: readonly Pick<AnsweredQuery, "kept">[]): string | undefined {
  const votes = new Map<string, number>();
  for (const { kept } of turns) {
    for (const [candidate, count] of Object.entries(kept)) votes.set(candidate, (votes.get(candidate) ?? 0) + count);
  }
  return [...votes].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}
