import type { JSX } from "preact";
import type { Ends } from "../api/analytics-resources.js";
import { IntervalBar, type Scale } from "./interval-bar.js";
import { Interval, Measured } from "./measured.js";

/** Above the bars, which need no word but for those who do not see them. */
export function DrawnHead(): JSX.Element {
  return (
    <th class="bar">
      <span class="hidden-visually">Drawn</span>
    </th>
  );
}

export interface EstimateCellsProps extends Ends {
  readonly value: number | null;
  /** What is told where there is no value. */
  readonly withheld?: string;
  readonly as?: (value: number) => string;
  /** Null where nothing is drawn. */
  readonly scale: Scale | null;
  readonly mark?: number;
}

/** A row's estimate, its interval and both drawn: three cells. */
export function EstimateCells({
  value,
  withheld = "withheld",
  as,
  scale,
  mark,
  low,
  high,
}: EstimateCellsProps): JSX.Element {
  if (value === null) {
    return (
      <td class="quiet" colSpan={3}>
        {withheld}
      </td>
    );
  }
  const words = as === undefined ? {} : { as };
  return (
    <>
      <td class="number">
        <Measured value={value} {...words} />
      </td>
      <td class="number">
        <Interval low={low} high={high} {...words} />
      </td>
      <td class="bar">
        {scale !== null && (
          <IntervalBar scale={scale} value={value} low={low} high={high} {...(mark === undefined ? {} : { mark })} />
        )}
      </td>
    </>
  );
}
