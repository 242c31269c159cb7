/** How numbers and times are written on the pages. */
const short: Intl.NumberFormat = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const whole: Intl.NumberFormat = new Intl.NumberFormat("en");
const moment: Intl.DateTimeFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** A measured number, to four digits. */
export function figure(value: number): string {
  return Number.isFinite(value) ? short.format(value) : "∞";
}

/** From here down a p-value is only called small. */
const LEAST_P = 0.0001;

/** A p-value. */
export function probability(value: number): string {
  return value < LEAST_P ? `below ${LEAST_P}` : figure(value);
}

/** A count. */
export function count(value: number): string {
  return whole.format(value);
}

/** A moment in the reader's own time zone. @param ms since 1970 */
export function at(ms: number): string {
  return moment.format(ms);
}

/** A size in bytes. */
export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${figure(bytes / 1_000)} kB` : `${figure(bytes / 1_000_000)} MB`;
}

/** How long until a moment, or since it. @param ms until then; negative for the past */
export function span(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  const words =
    seconds < 90
      ? `${seconds} s`
      : seconds < 5_400
        ? `${Math.round(seconds / 60)} min`
        : `${Math.round(seconds / 3_600)} h`;
  return ms < 0 ? `${words} ago` : `in ${words}`;
}
