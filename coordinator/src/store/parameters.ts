import { CoordinatorError } from "../errors.js";

/** Refuses numbers that no column of ours has, before a database makes something else of them. */
export function checkParameters(parameters: readonly unknown[]): void {
  for (const parameter of parameters) {
    if (typeof parameter === "number" && !Number.isSafeInteger(parameter)) {
      throw new CoordinatorError(
        "INTERNAL",
        `expected integers up to 2^53-1 in the database, came ${parameter}; reals are stored as JSON text`,
      );
    }
  }
}
