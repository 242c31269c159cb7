import { readUnverifiedCheckpoint } from "@fedloop/consent";
import type { rememberedAnswers } from "../analytics/remembered-answers.js";
import type { StandingAnswer } from "../metrics/answer-gauges.js";
import type { Standing } from "../metrics/prometheus.js";
import type { AdminDependencies } from "./dependencies.js";
import { countDevices, roundsByState } from "./populations.js";
import { readProgress } from "./progress.js";
import { readRounds } from "./rounds.js";

type AnswersOf = ReturnType<typeof rememberedAnswers>;

/** The newest answer to each query. Words that people have would be a series each: heavy hitters are left out. */
async function newestAnswers(population: string, answersOf: AnswersOf): Promise<StandingAnswer[]> {
  const newest = new Map((await answersOf(population)).map((answer) => [answer.name, answer]));
  return [...newest.values()]
    .filter(({ query }) => query.kind !== "heavy-hitters")
    .map(({ name, turn, result }) => ({
      ...{ population, query: name, turn },
      values: result.estimates.flatMap(({ name, estimate }) => (estimate === null ? [] : [{ name, ...estimate }])),
    }));
}

/**
 * How things stand now, for metrics.
 *
 * @param answersOf remembered, since metrics are read every few seconds
 */
export async function readStanding(deps: AdminDependencies, answersOf: AnswersOf): Promise<Standing> {
  const { store, ledger, publisher } = deps;
  const populations = await Promise.all(
    [...deps.populations.all()].map(async (live) => {
      const { name, hub, schedule } = live;
      const { pause, failures, spent } = await readProgress(store, live);
      const [newest] = await readRounds(deps, { population: name }, 1);
      return {
        population: name,
        devices: await countDevices(deps, name),
        watchers: hub.watchers,
        roundsByState: await roundsByState(deps, name),
        isPaused: pause !== null,
        failures,
        participants: newest?.participants ?? {},
        epsilonSpent: spent,
        // Without a cap nothing is left, and nothing is missing: both are infinite.
        epsilonCap: schedule.cap.epsilon === Number.POSITIVE_INFINITY ? spent : schedule.cap.epsilon,
      };
    }),
  );
  const { pending } = await store.db
    .selectFrom("webhook_deliveries")
    .select(({ fn }) => fn.countAll<number>().as("pending"))
    .where("state", "=", "pending")
    .executeTakeFirstOrThrow();
  const answers = await Promise.all(populations.map(({ population }) => newestAnswers(population, answersOf)));
  return {
    populations,
    answers: answers.flat(),
    ledgerEntries: ledger.size,
    ledgerPublished: readUnverifiedCheckpoint(publisher.checkpoint()).size,
    webhooksPending: Number(pending),
    isDraining: deps.drain.isDraining(),
  };
}
