import { ErrorCode, type ResolutionDetails } from "@openfeature/core";
import { type Flags, resolveFlag } from "./flags.js";

const CODES = {
  FLAG_NOT_FOUND: ErrorCode.FLAG_NOT_FOUND,
  TYPE_MISMATCH: ErrorCode.TYPE_MISMATCH,
  GENERAL: ErrorCode.GENERAL,
} as const;

/** What the SDKs want to know of a flag; the fallback and a code where it could not be resolved. */
export function resolutionDetails<T>(
  flags: Flags,
  key: string,
  fallback: T,
  type: "boolean" | "string" | "number" | "object",
): ResolutionDetails<T> {
  const answer = resolveFlag(flags, key, type);
  if (answer.type === "failed") {
    return { value: fallback, reason: "ERROR", errorCode: CODES[answer.code], errorMessage: answer.message };
  }
  // Its type is the one that was asked for: `resolveFlag` has checked it.
  return { value: answer.value as T, variant: answer.variant, reason: answer.reason };
}
