import type { JSX } from "preact";
import type { Round } from "../api/resources.js";
import { at, count, figure } from "../theme/figures.js";
import { ScrollingTable } from "./scrolling-table.js";

/** The newest rounds. */
export function RoundsTable({ rounds }: { readonly rounds: readonly Round[] }): JSX.Element {
  return (
    <article class="card wide">
      <h3>Rounds</h3>
      {rounds.length === 0 ? (
        <p class="quiet">None yet.</p>
      ) : (
        <ScrollingTable name="rounds">
          <thead>
            <tr>
              <th class="number">Round</th>
              <th>Kind</th>
              <th>State</th>
              <th class="number">Devices</th>
              <th>Metrics</th>
              <th>Since</th>
              <th class="number">Journal</th>
            </tr>
          </thead>
          <tbody>
            {rounds.map(({ round, kind, state, reason, participants, metrics, stateSinceMs, journal }) => (
              <tr key={round}>
                <td class="number">{round}</td>
                <td>{kind}</td>
                <td>
                  <span class={state === "abandoned" ? "critical" : state === "closed" ? "good" : ""}>{state}</span>
                  {reason === null ? "" : ` ${reason}`}
                </td>
                <td class="number">{count(participants.submitted)}</td>
                <td class="metrics">
                  {Object.entries(metrics ?? {})
                    .slice(0, 3)
                    .map(([name, value]) => `${name} ${figure(value)}`)
                    .join(", ")}
                </td>
                <td class="when">{at(stateSinceMs)}</td>
                <td class="number">{journal ?? "–"}</td>
              </tr>
            ))}
          </tbody>
        </ScrollingTable>
      )}
    </article>
  );
}
