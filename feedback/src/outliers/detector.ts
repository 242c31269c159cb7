/** Says how far a row is from what is usual. Apps bring their own kinds. */
export interface OutlierDetector {
  readonly name: string;
  /** Higher is stranger. Scores of different detectors do not compare. */
  score(row: readonly number[]): number;
}
