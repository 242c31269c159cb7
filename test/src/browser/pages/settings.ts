/** What a test gives to a page's participant. */
export interface PageSettings {
  readonly coordinator: string;
  readonly population: string;
  readonly purpose: string;
  /** Of the participant's database and key. */
  readonly device: string;
  /** What the trainer answers, in every coordinate. */
  readonly value: number;
  /** For how long the trainer computes without a pause, milliseconds of the worker's thread. */
  readonly busyMs?: number;
  /** How long to wait for another tab that has the store, milliseconds. */
  readonly storeWaitMs?: number;
  /** Which training of this page, counted from 1, never ends: for a page that will be gone. */
  readonly endless?: number;
}

/** Channel on which the worker tells the page what its content security policy kept from it. */
export const VIOLATIONS = "violations";
