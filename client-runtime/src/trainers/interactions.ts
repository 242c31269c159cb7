/** What one participant has watched, bought or read. */
export interface Interactions {
  /** Item numbers from 0, each once. */
  readonly items: Int32Array;
  /** For evaluation: an item kept back, first, and others that the participant has not had. */
  readonly held?: Int32Array;
}
