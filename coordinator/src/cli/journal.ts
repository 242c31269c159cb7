import { releaseJournal } from "../analytics/journal.js";
import type { AnalyticsOptions } from "./analytics.js";
import { openReading } from "./reading.js";
import type { Surroundings } from "./surroundings.js";

/**
 * Prints the release journal, every number of it computed again from what it was read from.
 *
 * @returns whether all came out as they were told
 */
export async function printJournal(
  { config, population, json }: AnalyticsOptions,
  { environment, print, complain }: Surroundings,
): Promise<boolean> {
  await using reading = await openReading(config, environment);
  const journal = await releaseJournal(reading, population ?? undefined);
  const same = journal.every(({ differing }) => differing.length === 0);
  if (json) {
    print(`${JSON.stringify({ same, journal })}\n`);
    return same;
  }
  for (const {
    index,
    timeMs,
    population: name,
    round,
    type,
    model,
    stage,
    query,
    epsilon,
    values,
    differing,
  } of journal) {
    const what =
      query === null ? `${type} ${model ?? ""}${stage === null ? "" : ` ${stage}`}` : `${query.name} ${query.turn}`;
    const about = query?.about == null ? "" : ` about ${query.about}`;
    const cost = epsilon === null ? "" : `, ε ${epsilon} so far`;
    print(`${index}  ${new Date(timeMs).toISOString()}  ${name} round ${round}: ${what}${about}${cost}\n`);
    for (const [label, value] of Object.entries(values)) print(`    ${label.padEnd(20)}  ${value}\n`);
    if (differing.length > 0) complain(`entry ${index}: ${differing.join(", ")} come out otherwise now\n`);
  }
  print(
    `${journal.length} releases, ${same ? "every number the same when computed again" : "not all as they were told"}\n`,
  );
  return same;
}
