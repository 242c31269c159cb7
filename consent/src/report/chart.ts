// A line chart as inline SVG: no script, no font, nothing to load. Colours are classes of the page's style sheet.
import { escapeMarkup } from "./markup.js";

/** A line of a chart; points in ascending x. */
export interface ChartLine {
  readonly name: string;
  /** Class of the style sheet: gives the colour and the dashes. */
  readonly style: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Steps hold a value until the next point; otherwise points are joined. */
  readonly steps?: boolean;
}

export interface ChartSettings {
  /** What the chart shows, for those who do not see it. */
  readonly description: string;
  readonly xName: string;
  readonly yName: string;
  readonly lines: readonly ChartLine[];
}

const width = 640;
const height = 320;
// Room for labels as large as a narrow page makes them.
const margin = { left: 84, right: 24, top: 18, bottom: 66 };

/** Round numbers from 0 (or `low`) that cover the range in four to eight steps. */
export function ticks(low: number, high: number): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const magnitude = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((size) => span / size <= 6) ?? span;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor((high - first * step) / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

function label(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString("en-GB", { maximumFractionDigits: 6 });
}

/** The chart as an `svg` element with its legend. */
export function lineChart({ description, xName, yName, lines }: ChartSettings): string {
  const points = lines.flatMap((line) => line.points).filter(([, y]) => Number.isFinite(y));
  const xs = points.map(([x]) => x);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const top = Math.max(...points.map(([, y]) => y), 0) * 1.05 || 1;
  const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const xAt = (x: number): number => margin.left + (right > left ? (x - left) / (right - left) : 0.5) * inner.width;
  const yAt = (y: number): number => margin.top + (1 - y / top) * inner.height;
  const grid = ticks(0, top).map((y) => {
    const at = yAt(y).toFixed(1);
    return `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}"/><text class="y" x="${margin.left - 8}" y="${at}">${label(y)}</text>`;
  });
  const marks = ticks(left, right)
    .filter((x) => Number.isInteger(x))
    .map((x) => `<text class="x" x="${xAt(x).toFixed(1)}" y="${height - margin.bottom + 26}">${label(x)}</text>`);
  const paths = lines.map(
    (line) => `<path class="line ${line.style}" d="${pathOf(line, xAt, yAt)}"/>${dots(line, xAt, yAt)}`,
  );
  const legend = lines.map(({ name, style }) => `<li><span class="key ${style}"></span>${escapeMarkup(name)}</li>`);
  return [
    `<ul class="legend">${legend.join("")}</ul>`,
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeMarkup(description)}">`,
    ...grid,
    ...marks,
    `<text class="name" x="${margin.left + inner.width / 2}" y="${height - 8}">${escapeMarkup(xName)}</text>`,
    `<text class="name" transform="translate(24 ${margin.top + inner.height / 2}) rotate(-90)">${escapeMarkup(yName)}</text>`,
    ...paths,
    "</svg>",
  ].join("\n");
}

type Scale = (value: number) => number;

function pathOf({ points, steps }: ChartLine, xAt: Scale, yAt: Scale): string {
  const drawn = points.filter(([, y]) => Number.isFinite(y));
  let path = "";
  for (const [x, y] of drawn) {
    const [px, py] = [xAt(x).toFixed(1), yAt(y).toFixed(1)];
    if (path === "") path = `M${px} ${py}`;
    else path += steps === true ? `H${px}V${py}` : `L${px} ${py}`;
  }
  return path;
}

function dots({ points, style }: ChartLine, xAt: Scale, yAt: Scale): string {
  const drawn = points.filter(([, y]) => Number.isFinite(y));
  if (drawn.length > 40) return "";
  return drawn
    .map(([x, y]) => `<circle class="dot ${style}" cx="${xAt(x).toFixed(1)}" cy="${yAt(y).toFixed(1)}" r="3"/>`)
    .join("");
}
