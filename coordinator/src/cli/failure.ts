import { LedgerError } from "@fedloop/consent";
import { PrivacyError } from "@fedloop/privacy";
import { CommanderError } from "commander";
import { CoordinatorError } from "../errors.js";
import { type ExitCode, exitCodeOf } from "./exit-codes.js";

/** How a command ended that did not do what it was asked. */
export interface Failure {
  readonly code: string;
  /** One sentence: what was expected, what came, what to do. */
  readonly message: string;
  readonly exitCode: ExitCode;
}

/** What is told about an error: of the packages' own errors all, of any other that it is a fault, never a stack. */
export function failureOf(cause: unknown, signal: AbortSignal): Failure {
  // Whatever broke because of the interruption, the interruption is what happened.
  if (signal.aborted) return { code: "CANCELLED", message: "stopped by a signal before the end", exitCode: 130 };
  if (cause instanceof CommanderError) {
    // "commander.help" is a group of commands (`fedloop plan`) with none of them named.
    const said = cause.code === "commander.help" ? "expected one more word, the command" : cause.message;
    const message = said.replace(/^error: /, "").trim();
    return { code: "USAGE", message: `${message}; see fedloop --help`, exitCode: 2 };
  }
  if (cause instanceof CoordinatorError || cause instanceof PrivacyError || cause instanceof LedgerError) {
    return { code: cause.code, message: cause.message, exitCode: exitCodeOf(cause.code) };
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return { code: "INTERNAL", message: `${message}; this is a fault of fedloop: please report it`, exitCode: 1 };
}
