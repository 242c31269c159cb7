import type { Test } from "tap";
import { LedgerError, type LedgerErrorCode } from "../src/index.js";

/** Asserts that the action throws a LedgerError of that code. */
export function refuses(t: Test, code: LedgerErrorCode, what: string, action: () => unknown): void {
  try {
    action();
  } catch (error) {
    t.equal(error instanceof LedgerError ? error.code : String(error), code, what);
    return;
  }
  t.fail(`${what}: nothing was thrown, ${code} was expected`);
}

/** Asserts that the promise rejects with a LedgerError of that code. */
export async function rejects(
  t: Test,
  code: LedgerErrorCode,
  what: string,
  action: () => Promise<unknown>,
): Promise<void> {
  try {
    await action();
  } catch (error) {
    t.equal(error instanceof LedgerError ? error.code : String(error), code, what);
    return;
  }
  t.fail(`${what}: nothing was thrown, ${code} was expected`);
}
