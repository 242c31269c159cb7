import type { JSX } from "preact";
import type { Ends } from "../api/analytics-resources.js";
import { figure } from "../theme/figures.js";

/** A number as people read it; all its digits stand in the page for programs. */
export function Measured({
  value,
  as = figure,
}: {
  readonly value: number;
  readonly as?: (value: number) => string;
}): JSX.Element {
  return <data value={String(value)}>{as(value)}</data>;
}

/** Both ends of an interval, where it has them. */
export function Interval({ low, high, as = figure }: Ends & { readonly as?: (value: number) => string }): JSX.Element {
  return (
    <span class="interval-ends">
      {low === null ? "−∞" : <Measured value={low} as={as} />} …{" "}
      {high === null ? "∞" : <Measured value={high} as={as} />}
    </span>
  );
}

/** A part as a percentage. */
export function percent(part: number): string {
  return `${figure(100 * part)} %`;
}
