import type { JSX } from "preact";
import type { Ends } from "../api/analytics-resources.js";

/** What bars of one table are drawn over. */
export type Scale = readonly [from: number, to: number];

/** A scale that holds all intervals and values, and what else it is to show. */
export function scaleOf(
  shown: readonly (Ends & { readonly value: number | null })[],
  ...others: readonly number[]
): Scale {
  const ends = shown.flatMap(({ low, value, high }) => [low, value, high].filter((each) => each !== null));
  const all = [...ends, ...others];
  const [from, to] = [Math.min(...all), Math.max(...all)];
  return to > from ? [from, to] : [from - 1, to + 1];
}

export interface IntervalBarProps extends Ends {
  readonly scale: Scale;
  readonly value: number;
  /** Where the line stands that the interval may leave out, such as no difference. */
  readonly mark?: number;
}

/** An interval and the value in it, drawn. The same stands beside it as text. */
export function IntervalBar({ scale: [from, to], value, low, high, mark }: IntervalBarProps): JSX.Element {
  const place = (at: number): number => Math.min(Math.max((100 * (at - from)) / (to - from), 0), 100);
  const percent = (part: number): string => `${part.toFixed(2)}%`;
  const [start, end] = [place(low ?? from), place(high ?? to)];
  return (
    <div class="interval" aria-hidden="true">
      {mark !== undefined && <span class="mark" style={{ left: percent(place(mark)) }} />}
      <span class="range" style={{ left: percent(start), width: percent(end - start) }} />
      <span class="value" style={{ left: percent(place(value)) }} />
    </div>
  );
}
