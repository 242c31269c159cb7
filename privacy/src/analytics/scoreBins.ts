// Scores and labels as histograms: what an AUC is counted from. Apart from queries, so that a trainer can report the same.

/** A score, and what is true of its row. */
export interface ScoredRow {
  /** P(true), 0 … 1; beyond that the nearest. */
  readonly score: number;
  readonly isTrue: boolean;
}

/**
 * A participant's scores over equal bins from 0 to 1: [rows labelled true | rows labelled false], each row counting one
 * part of the participant's 1, so the L2 norm is at most 1.
 *
 * @param out of 2 · bins zeros
 */
export function addScores(out: Float32Array, rows: readonly ScoredRow[]): void {
  const bins = out.length / 2;
  for (const { score, isTrue } of rows) {
    const bin = Math.min(Math.max(Math.floor(score * bins), 0), bins - 1);
    const at = (isTrue ? 0 : bins) + bin;
    out[at] = (out[at] ?? 0) + 1 / rows.length;
  }
}
