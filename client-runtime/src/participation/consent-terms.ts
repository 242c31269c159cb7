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
  /** Who decided, where it was not the participant alone. A minor's consent must be a guardian's. */
  readonly by?: "subject" | "guardian";
  /** That the participant was asked about, and confirmed, the conflict with the Global Privacy Control signal. */
  readonly conflictConfirmed?: boolean;
}

/** What the app asks, and what its consent records say about the circumstances. */
export interface ConsentTerms {
  /** Which of the policy's purposes the app asks about, one question each. */
  readonly purposes: readonly string[];
  /** Shows the notice and brings back the participant's answer. */
  readonly decide: (notice: Notice, purpose: string) => Promise<Decision | boolean> | Decision | boolean;
  readonly dataCategories: readonly string[];
  readonly specialCategory?: boolean;
  /** Who else gets the data; nobody unless given. */
  readonly recipients?: readonly string[];
  /** Where the data are kept, and for how long. */
  readonly storage: string;
  readonly retention: string;
  readonly jurisdiction: string;
  /** Whether the law there asks beforehand (opt-in, unless given) or lets people refuse afterwards. */
  readonly model?: "opt-in" | "opt-out";
  /** How the participant can withdraw. */
  readonly withdrawal: string;
  /** The screen or command through which the participant answers. */
  readonly interface: string;
  /** Signals that the device sends: Global Privacy Control (`navigator.globalPrivacyControl`). */
  readonly signals?: { readonly gpc: boolean; readonly conflictConfirmed?: boolean };
  readonly ageBand?: "adult" | "minor";
  /** Who decides for a minor. The log gets a commitment to it; the text itself is encrypted under the participant's key. */
  readonly guardian?: string;
  /**
   * Personal data that belong to the consent, for example the account it was given from. Encrypted under the
   * participant's key beside the log entry: an export shows them, an erasure makes them unreadable for ever.
   */
  readonly personal?: { readonly [name: string]: string };
}
