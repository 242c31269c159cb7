import type { JSX } from "preact";
import type { Experiment } from "../api/resources.js";
import { figure } from "../theme/figures.js";

function range(low: number | null, high: number | null): string {
  return `${low === null ? "−∞" : figure(low)} … ${high === null ? "∞" : figure(high)}`;
}

/** Experiments: each arm against the first, by intervals that hold however often one looks. */
export function ExperimentsCard({ experiments }: { readonly experiments: readonly Experiment[] }): JSX.Element {
  return (
    <article class="card">
      <h3>Experiments</h3>
      {experiments.length === 0 && <p class="quiet">None has been answered.</p>}
      {experiments.map(({ name, looks, epsilon, isMismatch, arms, comparisons }) => (
        <div key={name}>
          <p>
            <strong>{name}</strong>{" "}
            <span class="quiet">
              {looks} releases, ε {epsilon} so far
            </span>
          </p>
          {isMismatch && (
            <p class="critical">
              Participants are not spread over the arms as they should be. Find the cause before you trust it.
            </p>
          )}
          <ul class="plain">
            {arms.map(({ arm, participants, mean }) => (
              <li key={arm}>
                {arm}:{" "}
                {mean === null || participants === null
                  ? "too few to tell"
                  : `mean ${figure(mean)} of about ${figure(participants)}`}
              </li>
            ))}
            {comparisons.map(({ arm, control, difference, low, high, isDecided, probabilityBetter }) => (
              <li key={`${arm} ${control}`}>
                {arm} less {control}: {figure(difference)} ({range(low, high)}),{" "}
                <span class={isDecided ? "good" : "quiet"}>
                  {isDecided ? "decided" : "not decided"}, better with {figure(100 * probabilityBetter)} %
                </span>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </article>
  );
}
