// For pages: OpenFeature's web SDK resolves at once.
import type { JsonValue, Provider } from "@openfeature/web-sdk";
import { resolutionDetails } from "./details.js";
import type { Flags } from "./flags.js";

/** A provider that asks nobody. The evaluation context is not looked at: what decides is on the device already. */
export function webFlagProvider(flags: Flags): Provider {
  return {
    metadata: { name: "fedloop" },
    runsOn: "client",
    resolveBooleanEvaluation: (key, fallback) => resolutionDetails(flags, key, fallback, "boolean"),
    resolveStringEvaluation: (key, fallback) => resolutionDetails(flags, key, fallback, "string"),
    resolveNumberEvaluation: (key, fallback) => resolutionDetails(flags, key, fallback, "number"),
    resolveObjectEvaluation: <T extends JsonValue>(key: string, fallback: T) =>
      resolutionDetails<T>(flags, key, fallback, "object"),
  };
}
