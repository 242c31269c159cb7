/** What the load benchmark and the processes that hold its devices say to each other. */

export interface LoadSettings {
  readonly address: string;
  /** Seed of who comes and goes when; not of anything secret. */
  readonly seed: number;
  /** Devices of each population in this process. */
  readonly devices: readonly { readonly population: string; readonly count: number; readonly secure: boolean }[];
  /** Mean time that a device stays, and that it stays away, milliseconds. */
  readonly meanStayMs: number;
}

/** Since the report before. */
export interface LoadReport {
  readonly type: "report";
  /** How long check-ins took that were answered, milliseconds. */
  readonly checkInMs: readonly number[];
  readonly online: number;
  readonly entered: number;
  /** Devices that were answered for the first time since they entered. */
  readonly seen: number;
  readonly returned: number;
  /** Devices that left in words, and that fell silent. */
  readonly left: number;
  readonly vanished: number;
  readonly accepted: number;
  /** Calls that failed, and rounds that devices refused, by code. */
  readonly failures: Readonly<Record<string, number>>;
}
