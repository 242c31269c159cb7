import type { JSX } from "preact";
import { useCallback } from "preact/hooks";
import type { ApiClient } from "../api/client.js";
import { usePolled } from "../api/polled.js";
import { type Answer, type Experiment, type Model, type Population, type Round, resources } from "../api/resources.js";
import { figure } from "../theme/figures.js";
import { AnswersCard } from "./answers-card.js";
import { ExperimentsCard } from "./experiments-card.js";
import { MetricsChart } from "./metrics-chart.js";
import { ModelsCard } from "./models-card.js";
import { RoundProgress } from "./round-progress.js";
import { RoundsTable } from "./rounds-table.js";

interface Details {
  readonly rounds: readonly Round[];
  readonly evaluations: readonly Round[];
  readonly models: readonly Model[];
  readonly answers: readonly Answer[];
  readonly experiments: readonly Experiment[];
}

export interface PopulationDetailsProps {
  readonly client: ApiClient;
  readonly population: Population;
}

/** One population: the round under way, its model's metrics, its rounds, models and experiments. */
export function PopulationDetails({ client, population }: PopulationDetailsProps): JSX.Element {
  const { population: name, current } = population;
  const load = useCallback(
    async (signal: AbortSignal): Promise<Details> => {
      const query = `population=${encodeURIComponent(name)}`;
      const [rounds, evaluations, models, answers, experiments] = await Promise.all([
        client.get(`/rounds?${query}&limit=50`, resources.rounds, signal),
        client.get(`/rounds?${query}&kind=evaluate&limit=200`, resources.rounds, signal),
        client.get(`/models?${query}&limit=20`, resources.models, signal),
        client.get(`/answers?${query}`, resources.answers, signal),
        client.get(`/experiments?${query}`, resources.experiments, signal),
      ]);
      return {
        rounds: rounds.items,
        evaluations: evaluations.items,
        models: models.items,
        answers: answers.items,
        experiments: experiments.items,
      };
    },
    [client, name],
  );
  const { value, error } = usePolled(load);
  const asked = new Set(value?.answers.map(({ round }) => round));
  const measured = value?.evaluations.filter(({ round, metrics }) => metrics !== null && !asked.has(round)) ?? [];
  const metrics = [...new Set(measured.flatMap((round) => Object.keys(round.metrics ?? {})))];
  return (
    <section aria-labelledby="details">
      <h2 id="details">{name}</h2>
      {error !== undefined && (
        <p class="card warning" role="status">
          {error.message}
        </p>
      )}
      <div class="grid">
        <article class="card" aria-live="polite">
          <h3>Live round</h3>
          {current === null ? <p class="quiet">No round has begun.</p> : <RoundProgress round={current} />}
        </article>
        <article class="card">
          <h3>Model metrics over rounds</h3>
          {metrics.length === 0 && <p class="quiet">No evaluation has been released.</p>}
          {metrics.map((metric) => (
            <div key={metric}>
              <p>
                {metric} <strong>{figure(population.metrics?.[metric] ?? Number.NaN)}</strong>{" "}
                <span class="quiet">newest</span>
              </p>
              <MetricsChart rounds={measured} metric={metric} />
            </div>
          ))}
        </article>
        <RoundsTable rounds={value?.rounds ?? []} />
        <ModelsCard models={value?.models ?? []} />
        <ExperimentsCard experiments={value?.experiments ?? []} />
        <AnswersCard answers={(value?.answers ?? []).filter(({ kind }) => kind !== "experiment")} />
      </div>
    </section>
  );
}
