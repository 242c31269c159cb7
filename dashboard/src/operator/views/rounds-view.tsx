import type { JSX } from "preact";
import { useCallback } from "preact/hooks";
import { usePolled } from "../../api/polled.js";
import { type Model, type Round, resources } from "../../api/resources.js";
import { figure } from "../../theme/figures.js";
import { MetricsChart } from "../metrics-chart.js";
import { ModelsCard } from "../models-card.js";
import { Problem } from "../problem.js";
import { RoundProgress } from "../round-progress.js";
import { RoundsTable } from "../rounds-table.js";
import type { PopulationViewProps } from "./population-view.js";

interface Details {
  readonly rounds: readonly Round[];
  /** Evaluations of the model, not the answers to queries. */
  readonly measured: readonly Round[];
  readonly models: readonly Model[];
}

/** The round under way, the model's metrics, rounds and models. */
export function RoundsView({ client, population }: PopulationViewProps): JSX.Element {
  const { population: name, current } = population;
  const load = useCallback(
    async (signal: AbortSignal): Promise<Details> => {
      const query = `population=${encodeURIComponent(name)}`;
      const [rounds, evaluations, models, answers] = await Promise.all([
        client.get(`/rounds?${query}&limit=50`, resources.rounds, signal),
        client.get(`/rounds?${query}&kind=evaluate&limit=200`, resources.rounds, signal),
        client.get(`/models?${query}&limit=20`, resources.models, signal),
        client.get(`/answers?${query}`, resources.answers, signal),
      ]);
      const asked = new Set(answers.items.map(({ round }) => round));
      const measured = evaluations.items.filter(({ round, metrics }) => metrics !== null && !asked.has(round));
      return { rounds: rounds.items, measured, models: models.items };
    },
    [client, name],
  );
  const { value, error } = usePolled(load);
  const measured = value?.measured ?? [];
  const metrics = [...new Set(measured.flatMap((round) => Object.keys(round.metrics ?? {})))];
  return (
    <>
      <Problem error={error} />
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
      </div>
    </>
  );
}
