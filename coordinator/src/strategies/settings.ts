import { nearest } from "../config/fields.js";
import { CoordinatorError } from "../errors.js";
import type { StrategySettings } from "./strategy.js";

/** A number that a plan's `strategy.settings` may hold: its default, and what it has to be. */
export interface NumberSetting {
  /** Null where the plan has to say it. */
  readonly fallback: number | null;
  readonly minimum: number;
  readonly maximum: number;
  /** Whether `minimum` itself is too small. */
  readonly isAbove?: boolean;
  readonly isWhole?: boolean;
}

/** Any positive number. */
export const POSITIVE = { minimum: 0, maximum: 1e9, isAbove: true } as const;

/** A part of a whole, 1 excluded. */
export const BELOW_ONE = { minimum: 0, maximum: 0.999_999 } as const;

/**
 * A strategy's settings, checked: a misspelt one would otherwise leave the default in force without a word.
 *
 * @throws CoordinatorError BAD_PLAN
 */
export function numberSettings<Name extends string>(
  id: string,
  settings: StrategySettings,
  known: Readonly<Record<Name, NumberSetting>>,
): Readonly<Record<Name, number>> {
  const names = Object.keys(known);
  for (const name of Object.keys(settings)) {
    if (names.includes(name)) continue;
    const guess = nearest(name, names);
    throw new CoordinatorError(
      "BAD_PLAN",
      `strategy.settings: expected of ${id} one of ${names.join(", ")}, came ${name}${guess === undefined ? "" : `; did you mean ${guess}?`}`,
    );
  }
  const read: Record<string, number> = {};
  for (const [name, rule] of Object.entries<NumberSetting>(known)) {
    const value = settings[name] ?? rule.fallback;
    if (typeof value === "number" && fits(value, rule)) read[name] = value;
    else {
      throw new CoordinatorError(
        "BAD_PLAN",
        `strategy.settings.${name}: expected of ${id} ${describe(rule)}, came ${value ?? "nothing"}`,
      );
    }
  }
  return read as Record<Name, number>;
}

function fits(value: number, { minimum, maximum, isAbove, isWhole }: NumberSetting): boolean {
  if (!(isAbove === true ? value > minimum : value >= minimum) || !(value <= maximum)) return false;
  return isWhole !== true || Number.isInteger(value);
}

function describe({ minimum, maximum, isAbove, isWhole }: NumberSetting): string {
  const kind = isWhole === true ? "a whole number" : "a number";
  return `${kind} ${isAbove === true ? `above ${minimum}` : `from ${minimum}`}, at most ${maximum}`;
}
