import { type AnsweredQuery, answeredQueries, type ResultSources } from "./results.js";

/**
 * Reads a population's answers, anew only when a round has closed since the last time: what is closed does not change, and
 * who looks at a dashboard asks every few seconds.
 */
export function rememberedAnswers(sources: ResultSources): (population: string) => Promise<readonly AnsweredQuery[]> {
  const known = new Map<string, { readonly closed: number; readonly answers: Promise<readonly AnsweredQuery[]> }>();
  return async (population) => {
    const { count } = await sources.store.db
      .selectFrom("rounds")
      .select(({ fn }) => fn.countAll<number>().as("count"))
      .where("population", "=", population)
      .where("kind", "=", "evaluate")
      .where("state", "=", "closed")
      .executeTakeFirstOrThrow();
    const closed = Number(count);
    const last = known.get(population);
    if (last?.closed === closed) return last.answers;
    const answers = answeredQueries(sources, population);
    known.set(population, { closed, answers });
    answers.catch(() => known.delete(population));
    return answers;
  };
}
