/** What the participant is to be shown: exactly these bytes, and nothing that contradicts them. */
export interface Notice {
  readonly population: string;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly uri: string;
  readonly language: string;
  readonly controller: string;
  /** Version of the policy. */
  readonly policy: number;
  /** What the population as a whole may spend, decimal strings; ε may be "unbounded". */
  readonly limits: { readonly epsilon: string; readonly delta: string };
}

/** The participant's own limits; what is left out follows the policy. Reals as decimal strings. */
export interface OwnLimits {
  readonly epsilon?: string;
  readonly delta?: string;
  readonly rounds?: number;
}

/** An answer to the question whether data may be used for one purpose. */
export interface Decision {
  readonly given: boolean;
  readonly limits?: OwnLimits;
  /** Milliseconds since the epoch; without it the consent holds until it is withdrawn. */
  readonly validUntilMs?: number;
}

/** What the app asks, and what its consent records say about the circumstances. */
export interface ConsentTerms {
  /** Which of the policy's purposes the app asks about, one question each. */
  readonly purposes: readonly string[];
  /** Shows the notice and brings back the participant's answer. */
  readonly decide: (notice: Notice, purpose: string) => Promise<Decision | boolean> | Decision | boolean;
  readonly dataCategories: readonly string[];
  readonly specialCategory?: boolean;
  /** Where the data are kept, and for how long. */
  readonly storage: string;
  readonly retention: string;
  readonly jurisdiction: string;
  /** How the participant can withdraw. */
  readonly withdrawal: string;
  /** The screen or command through which the participant answers. */
  readonly interface: string;
  readonly signals?: { readonly gpc: boolean; readonly conflictConfirmed?: boolean };
}
