import type { ConfigEnvironment } from "../config/config.js";

/** What a command may touch of the process it runs in. */
export interface Surroundings {
  readonly environment: ConfigEnvironment;
  /** Aborted when the person asks to stop. */
  readonly signal: AbortSignal;
  /** Standard input, for commands that read it. */
  readonly input: () => AsyncIterable<Uint8Array>;
  /** Standard output: results. */
  readonly print: (text: string) => void;
  /** Standard error: what went wrong. */
  readonly complain: (text: string) => void;
}

/** The configuration file where `--config` names none. */
export const DEFAULT_CONFIG = "fedloop.yaml";
