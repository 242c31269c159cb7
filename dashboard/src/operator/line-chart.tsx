import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";

const HEIGHT = 220;
const LEAST_WIDTH = 200;

function colour(name: string): string {
  // A custom property is told as it is written; one that is used, as the colour that it comes to.
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** A point of a line, with the interval around it where it has one. */
export interface ChartPoint {
  readonly at: number;
  readonly value: number;
  readonly low?: number | null;
  readonly high?: number | null;
}

export interface LineChartProps {
  /** In ascending order. */
  readonly points: readonly ChartPoint[];
  /** What the axes are of. */
  readonly across: string;
  readonly up: string;
}

/** A line over whole numbers, with a band for its intervals. What it shows stands beside it as a table. */
export function LineChart({ points, across, up }: LineChartProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const drawn = JSON.stringify([points, across, up]);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const width = (): number => Math.max(element.clientWidth, LEAST_WIDTH);
    let chart: UPlot | undefined;
    const draw = (): void => {
      chart?.destroy();
      const line = colour("--line");
      const axis = { stroke: colour("--quiet"), grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
      const accent = colour("--accent");
      const edge = { stroke: accent, width: 1, dash: [4, 4], points: { show: false } };
      const hasBand = points.some(({ low, high }) => low != null && high != null);
      const options: UPlot.Options = {
        width: width(),
        height: HEIGHT,
        scales: { x: { time: false } },
        legend: { show: false },
        axes: [
          { ...axis, label: across, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000] },
          { ...axis, label: up, size: 70 },
        ],
        series: [
          {},
          { label: up, stroke: accent, width: 2, points: { show: true, size: 7 } },
          ...(hasBand ? [edge, edge] : []),
        ],
      };
      const column = (of: (point: ChartPoint) => number | null | undefined) => points.map((point) => of(point) ?? null);
      const values = [points.map(({ at }) => at), points.map(({ value }) => value)] as const;
      const band = hasBand ? [column(({ low }) => low), column(({ high }) => high)] : [];
      chart = new UPlot(options, [...values, ...band], element);
    };
    draw();
    const observer = new ResizeObserver(() => chart?.setSize({ width: width(), height: HEIGHT }));
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
  }, [drawn]);
  return <div class="chart" ref={place} aria-hidden="true" />;
}
