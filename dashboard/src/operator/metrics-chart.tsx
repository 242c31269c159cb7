import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import type { Round } from "../api/resources.js";
import { figure } from "../theme/figures.js";

const HEIGHT = 220;

function colour(name: string): string {
  // A custom property is told as it is written; one that is used, as the colour that it comes to.
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** A model's metric over the rounds that measured it, as a line and as a table. */
export function MetricsChart({
  rounds,
  metric,
}: {
  readonly rounds: readonly Round[];
  readonly metric: string;
}): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const points = rounds
    .flatMap(({ round, metrics }) => {
      const value = metrics?.[metric];
      return value === undefined ? [] : [{ round, value }];
    })
    .sort((one, other) => one.round - other.round);
  const drawn = points.map(({ round, value }) => `${round} ${value}`).join();
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    let chart: UPlot | undefined;
    const draw = (): void => {
      chart?.destroy();
      const text = colour("--quiet");
      const axis = {
        stroke: text,
        grid: { stroke: colour("--line"), width: 1 },
        ticks: { stroke: colour("--line"), width: 1 },
      };
      const line = { stroke: colour("--accent"), width: 2, points: { show: true, size: 7 } };
      const options: UPlot.Options = {
        width: Math.max(element.clientWidth, 200),
        height: HEIGHT,
        scales: { x: { time: false } },
        legend: { show: false },
        axes: [
          { ...axis, label: "round", incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] },
          { ...axis, label: metric, size: 70 },
        ],
        series: [{}, { label: metric, ...line }],
      };
      chart = new UPlot(options, [points.map(({ round }) => round), points.map(({ value }) => value)], element);
    };
    draw();
    const observer = new ResizeObserver(() =>
      chart?.setSize({ width: Math.max(element.clientWidth, 200), height: HEIGHT }),
    );
    observer.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    addEventListener("themechange", draw);
    return () => {
      observer.disconnect();
      scheme.removeEventListener("change", draw);
      removeEventListener("themechange", draw);
      chart?.destroy();
    };
  }, [drawn, metric]);
  return (
    <figure>
      <div class="chart" ref={place} aria-hidden="true" />
      <details>
        <summary>{metric} as a table</summary>
        <table>
          <thead>
            <tr>
              <th class="number">Round</th>
              <th class="number">{metric}</th>
            </tr>
          </thead>
          <tbody>
            {points.map(({ round, value }) => (
              <tr key={round}>
                <td class="number">{round}</td>
                <td class="number">{figure(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
