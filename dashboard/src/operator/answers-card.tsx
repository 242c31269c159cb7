import type { JSX } from "preact";
import type { Answer } from "../api/resources.js";
import { at, count, figure } from "../theme/figures.js";

/** Queries that devices have answered, as noised estimates with their intervals. */
export function AnswersCard({ answers }: { readonly answers: readonly Answer[] }): JSX.Element {
  return (
    <article class="card">
      <h3>Queries</h3>
      {answers.length === 0 && <p class="quiet">None has been answered.</p>}
      {answers.map(({ round, query, kind, closedMs, members, estimates }) => (
        <div class="scroll" key={round}>
          <table>
            <caption>
              {query} ({kind}), round {round}, {count(members)} devices, {at(closedMs)}
            </caption>
            <thead>
              <tr>
                <th>What</th>
                <th class="number">Estimate</th>
                <th class="number">95 % interval</th>
              </tr>
            </thead>
            <tbody>
              {estimates.map(({ name, value, low, high }) => (
                <tr key={name}>
                  <td>{name}</td>
                  <td class="number">{value === null ? "withheld" : figure(value)}</td>
                  <td class="number">{low === null || high === null ? "–" : `${figure(low)} … ${figure(high)}`}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ))}
    </article>
  );
}
