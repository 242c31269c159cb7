import type { JSX } from "preact";
import type { Round } from "../api/resources.js";
import { LineChart } from "./line-chart.js";
import { Measured } from "./measured.js";

/** A model's metric over the rounds that measured it, as a line and as a table. */
export function MetricsChart({
  rounds,
  metric,
}: {
  readonly rounds: readonly Round[];
  readonly metric: string;
}): JSX.Element {
  const points = rounds
    .flatMap(({ round, metrics, journal }) => {
      const value = metrics?.[metric];
      return value === undefined ? [] : [{ at: round, value, journal }];
    })
    .sort((one, other) => one.at - other.at);
  return (
    <figure>
      <LineChart points={points} across="round" up={metric} />
      <details>
        <summary>{metric} as a table</summary>
        <table>
          <thead>
            <tr>
              <th class="number">Round</th>
              <th class="number">{metric}</th>
              <th class="number">Journal</th>
            </tr>
          </thead>
          <tbody>
            {points.map(({ at, value, journal }) => (
              <tr key={at}>
                <td class="number">{at}</td>
                <td class="number">
                  <Measured value={value} />
                </td>
                <td class="number">{journal ?? "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
