// For participants in Node: OpenFeature's server SDK awaits what it resolves.
import type { JsonValue, Provider } from "@openfeature/server-sdk";
import { resolutionDetails } from "./details.js";
import type { Flags } from "./flags.js";

/**
 * A provider for one participant: the flags are this device's. A process that holds several participants makes one provider for each,
 * under a domain of its own.
 */
export function serverFlagProvider(flags: Flags): Provider {
  return {
    metadata: { name: "fedloop" },
    runsOn: "server",
    resolveBooleanEvaluation: async (key, fallback) => resolutionDetails(flags, key, fallback, "boolean"),
    resolveStringEvaluation: async (key, fallback) => resolutionDetails(flags, key, fallback, "string"),
    resolveNumberEvaluation: async (key, fallback) => resolutionDetails(flags, key, fallback, "number"),
    resolveObjectEvaluation: async <T extends JsonValue>(key: string, fallback: T) =>
      resolutionDetails<T>(flags, key, fallback, "object"),
  };
}
