import type { Estimate } from "@fedloop/privacy/analytics";
import { driftReports } from "../analytics/drift.js";
import { type AnsweredQuery, answeredQueries, replays } from "../analytics/results.js";
import { CoordinatorError } from "../errors.js";
import { curveText } from "./curve-text.js";
import { openReading } from "./reading.js";
import type { Surroundings } from "./surroundings.js";

export interface AnalyticsOptions {
  readonly config: string;
  /** Null for all. */
  readonly population: string | null;
  readonly json: boolean;
}

/** The answers that there are, whether a coordinator runs or not. */
export async function readAnswers(
  { config, population }: Pick<AnalyticsOptions, "config" | "population">,
  { environment }: Pick<Surroundings, "environment">,
): Promise<readonly AnsweredQuery[]> {
  await using reading = await openReading(config, environment);
  return await answeredQueries(reading, population ?? undefined);
}

function summary({ population, name, turn, step, round, closedMs, query, result, epsilon, delta }: AnsweredQuery) {
  const { members, estimates } = result;
  const withheld = estimates.filter(({ estimate }) => estimate === null).length;
  const closed = new Date(closedMs).toISOString();
  return { population, name, turn, step, round, kind: query.kind, closed, members, withheld, epsilon, delta };
}

/** Lists the queries that have been answered. */
export async function listAnswers(options: AnalyticsOptions, surroundings: Surroundings): Promise<void> {
  const answers = (await readAnswers(options, surroundings)).map(summary);
  if (options.json) {
    surroundings.print(`${JSON.stringify({ answers })}\n`);
    return;
  }
  if (answers.length === 0) surroundings.print("no query has been answered yet\n");
  for (const { population, name, turn, step, kind, closed, members, withheld, epsilon } of answers) {
    const part = step > 1 ? `, step ${step}` : "";
    const hidden = withheld === 0 ? "" : `, ${withheld} withheld`;
    surroundings.print(
      `${population}  ${name} (${kind}) ${turn}${part}  ${closed}  ${members} devices${hidden}, ε ${epsilon} so far\n`,
    );
  }
}

/** The newest answers under a name. @throws CoordinatorError USAGE */
function named(answers: readonly AnsweredQuery[], name: string): readonly AnsweredQuery[] {
  const all = answers.filter((answer) => answer.name === name);
  const newest = all.at(-1);
  if (newest !== undefined) {
    return all.filter(({ turn, population }) => turn === newest.turn && population === newest.population);
  }
  const known = [...new Set(answers.map((answer) => answer.name))].join(", ");
  throw new CoordinatorError(
    "USAGE",
    `expected the name of an answered query${known === "" ? "; none has been answered yet" : `: ${known}`}`,
  );
}

function estimateJson(estimate: Estimate | null) {
  return estimate === null
    ? null
    : { value: estimate.value, noiseVariance: estimate.noiseVariance, interval: estimate.interval };
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(5);
}

/** Shows the newest answer to one query: each number with the variance of its noise and its 95 % interval. */
export async function showAnswer(
  name: string,
  options: AnalyticsOptions,
  { environment, print }: Surroundings,
): Promise<void> {
  const answers = named(await readAnswers(options, { environment }), name);
  if (options.json) {
    const shown = answers.map((answer) => ({
      ...summary(answer),
      query: answer.query,
      plan: answer.planIndex,
      aggregate: Buffer.from(answer.aggregate).toString("base64url"),
      noiseVariance: answer.result.noiseVariance,
      results: answer.result.estimates.map(({ name, estimate }) => ({
        name,
        ...(estimateJson(estimate) ?? { withheld: true }),
      })),
      ...(answer.result.curve === undefined ? {} : { curve: answer.result.curve }),
      ...(answer.result.arms === undefined ? {} : { arms: answer.result.arms }),
    }));
    print(`${JSON.stringify({ answers: shown })}\n`);
    return;
  }
  for (const answer of answers) {
    const { population, turn, step, kind, closed, members, epsilon, delta } = summary(answer);
    print(`${population}: ${name} (${kind}), asked for time ${turn}${step > 1 ? `, step ${step}` : ""}, ${closed}\n`);
    print(
      `  ${members} devices; ε ${epsilon} at δ ${delta} spent by the population; entry ${answer.planIndex} of the log\n`,
    );
    for (const { name: label, estimate } of answer.result.estimates) {
      const text =
        estimate === null
          ? "withheld: too few devices, or nothing but noise"
          : `${rounded(estimate.value)}  (95 %: ${rounded(estimate.interval[0])} to ${rounded(estimate.interval[1])}; noise ±${rounded(Math.sqrt(estimate.noiseVariance))})`;
      print(`  ${label.padEnd(20)}  ${text}\n`);
    }
    if (answer.result.curve !== undefined && answer.result.curve.length > 0) print(curveText(answer.result.curve));
  }
}

/** Says of each histogram that was asked more than once whether it has moved. */
export async function showDrift(options: AnalyticsOptions, surroundings: Surroundings): Promise<void> {
  const reports = driftReports(await readAnswers(options, surroundings));
  if (options.json) {
    surroundings.print(`${JSON.stringify({ reports })}\n`);
    return;
  }
  if (reports.length === 0) surroundings.print("no histogram has been asked twice yet\n");
  for (const { population, name, looks } of reports) {
    surroundings.print(`${population}: ${name}\n`);
    for (const { turn, reference, drift, fewestDevices } of looks) {
      const against = `  time ${turn} against ${reference}  `;
      if (drift === null) {
        surroundings.print(`${against}nothing to compare but noise: it takes about ${fewestDevices} devices a turn\n`);
      } else {
        const { jensenShannon: js, stabilityIndex: psi } = drift;
        surroundings.print(
          `${against}${drift.isDrift ? "DRIFT" : "no drift"}, p ${rounded(drift.pValue)}; Jensen–Shannon ${rounded(js.value)} (noise reaches ${rounded(js.threshold)}), stability index ${rounded(psi.value)} (${rounded(psi.threshold)})\n`,
        );
      }
    }
  }
}

/**
 * Reads every noised sum again, checked against its hash, and holds what it gives against what was kept at its release.
 *
 * @returns whether every number came out the same
 */
export async function replayAnswers(options: AnalyticsOptions, surroundings: Surroundings): Promise<boolean> {
  const answers = await readAnswers(options, surroundings);
  const replayed = answers.map((answer) => ({ ...summary(answer), same: replays(answer) }));
  const same = replayed.every((answer) => answer.same);
  if (options.json) surroundings.print(`${JSON.stringify({ same, answers: replayed })}\n`);
  else {
    for (const answer of replayed) {
      if (!answer.same)
        surroundings.complain(`${answer.population} round ${answer.round}: ${answer.name} comes out otherwise\n`);
    }
    surroundings.print(`${replayed.length} answers read again, ${same ? "all the same" : "not all the same"}\n`);
  }
  return same;
}
