/** What the process that runs a simulation and its worker processes say to each other. */
import type { ParticipantRatings } from "./ratings.js";

/** What a simulated person decides when asked. */
export type Decision = "give" | "refuse" | "give-then-withdraw";

export interface SimulatedPerson {
  readonly ratings: ParticipantRatings;
  readonly decision: Decision;
}

/** A person, and where among all of them it stands. */
export interface NumberedPerson extends SimulatedPerson {
  readonly number: number;
}

export type ToWorker =
  | {
      readonly type: "start";
      readonly address: string;
      readonly population: string;
      readonly purpose: string;
      /** The log that every participant pins. */
      readonly log: { readonly origin: string; readonly verifierKey: string };
      readonly privacy: {
        readonly allowNone: boolean;
        /** Whether ε is about single examples. */
        readonly allowExampleUnit: boolean;
        readonly maxEpsilon: number;
        /** Devices refuse rounds without it. */
        readonly secureAggregation: boolean;
      };
    }
  | { readonly type: "people"; readonly people: readonly NumberedPerson[] }
  | { readonly type: "go" };

export type FromWorker =
  | { readonly type: "ready" }
  /** A participant has enrolled and decided; its decision is in the log. */
  | { readonly type: "decided"; readonly person: number; readonly subject: string; readonly decision: Decision }
  /** An update was accepted by the coordinator. */
  | { readonly type: "accepted"; readonly round: number }
  | { readonly type: "refused"; readonly round: number; readonly code: string }
  | { readonly type: "failed"; readonly code: string; readonly message: string }
  | { readonly type: "done" };
