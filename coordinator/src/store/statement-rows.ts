/** SQLite takes at most 32 766 bound values a statement. */
const MOST_ROWS = 256;

/**
 * Rows in groups for one INSERT each, whose sizes are powers of two: a statement of each size is prepared once and kept. One for
 * each number of rows that a round or a crowd may have would fill the kept ones, with 0.8 kB a row (measured with
 * `participants`).
 */
export function* statementRows<Row>(rows: readonly Row[]): Generator<Row[]> {
  let size = MOST_ROWS;
  for (let start = 0; start < rows.length; start += size) {
    while (size > rows.length - start) size /= 2;
    yield rows.slice(start, start + size);
  }
}
