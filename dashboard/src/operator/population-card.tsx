import type { JSX } from "preact";
import type { Population } from "../api/resources.js";
import { count } from "../theme/figures.js";
import { BudgetGauge } from "./budget-gauge.js";
import { hashOf } from "./route.js";

export interface PopulationCardProps {
  readonly population: Population;
  readonly isShown: boolean;
  /** Whether there is no other to choose. */
  readonly isAlone: boolean;
}

/** One population at a glance; a link to its details. */
export function PopulationCard({ population, isShown, isAlone }: PopulationCardProps): JSX.Element {
  const { population: name, controller, purpose, state, finished, pause, devices, rounds, budget } = population;
  const isStuck = pause?.reason === "rounds-abandoned";
  const { closed = 0, abandoned = 0, ...open } = rounds.byState;
  const underWay = Object.entries(open).map(([each, number]) => `${number} ${each}`);
  return (
    <article class="card">
      <h3>
        {isAlone ? (
          name
        ) : (
          <a href={hashOf({ population: name, view: "rounds" })} aria-current={isShown ? "true" : undefined}>
            {name}
          </a>
        )}{" "}
        <span class={`badge ${state === "running" ? "good" : isStuck ? "critical" : ""}`}>
          {finished ?? (isStuck ? "paused after abandoned rounds" : state)}
        </span>
      </h3>
      <p class="quiet">
        {purpose}, for {controller}
      </p>
      <dl class="facts">
        <dt>Devices</dt>
        <dd>{count(devices)}</dd>
        <dt>Rounds</dt>
        <dd>
          {closed} of {rounds.planned} closed, {abandoned} abandoned
          {underWay.length === 0 ? "" : `; ${underWay.join(", ")}`}
        </dd>
      </dl>
      <BudgetGauge budget={budget} />
    </article>
  );
}
