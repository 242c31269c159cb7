import type { Cell, Condition, Measure, Row, Where } from "./query.js";

function meets(cell: Cell | undefined, condition: Condition): boolean {
  if (cell === undefined) return false;
  if (typeof condition !== "object") return cell === condition;
  if (isList(condition)) return condition.includes(cell);
  const { atLeast = Number.NEGATIVE_INFINITY, below = Number.POSITIVE_INFINITY } = condition;
  return typeof cell === "number" && cell >= atLeast && cell < below;
}

function isList(condition: object): condition is readonly Cell[] {
  return Array.isArray(condition);
}

/** Whether a row holds what is asked. */
export function rowMeets(row: Row, where: Where): boolean {
  return Object.entries(where).every(([column, condition]) =>
    meets(Object.hasOwn(row, column) ? row[column] : undefined, condition),
  );
}

/** A finite number of a row, or undefined. Truth counts as 1. */
export function numberIn(row: Row, column: string): number | undefined {
  const cell = Object.hasOwn(row, column) ? row[column] : undefined;
  if (typeof cell === "boolean") return cell ? 1 : 0;
  return typeof cell === "number" && Number.isFinite(cell) ? cell : undefined;
}

/** The text of a row's cell, as categories are compared. */
export function textIn(row: Row, column: string): string | undefined {
  const cell = Object.hasOwn(row, column) ? row[column] : undefined;
  return cell === undefined ? undefined : String(cell);
}

/** One number for a participant; undefined when no row has one. */
export function measured(rows: readonly Row[], measure: Measure): number | undefined {
  if (measure.of === "rows") return rows.length;
  const { column } = measure;
  const numbers = rows.flatMap((row) => numberIn(row, column) ?? []);
  if (numbers.length === 0) return undefined;
  const sum = numbers.reduce((total, value) => total + value, 0);
  switch (measure.of) {
    case "sum":
      return sum;
    case "mean":
      return sum / numbers.length;
    case "minimum":
      return numbers.reduce((least, value) => Math.min(least, value));
    case "maximum":
      return numbers.reduce((most, value) => Math.max(most, value));
    case "last":
      return numbers.at(-1);
  }
}

export function clamp(value: number, lower: number, upper: number): number {
  return Math.min(Math.max(value, lower), upper);
}

/** From −1 at the lower bound to 1 at the upper: what is summed, so that a bound far from 0 costs no noise. */
export function centred(value: number, lower: number, upper: number): number {
  const half = (upper - lower) / 2;
  return (clamp(value, lower, upper) - lower - half) / half;
}
