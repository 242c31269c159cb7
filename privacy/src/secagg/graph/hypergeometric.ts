/**
 * Number of marked ones among `draws` drawn without replacement from `population` of which `marked` are marked.
 * Only tails are offered: they are what the graph's failure bounds need, down to 1e-20.
 */
export interface Hypergeometric {
  readonly population: number;
  readonly marked: number;
  readonly draws: number;
}

/** Pr[X > t]. */
export function upperTail(distribution: Hypergeometric, t: number): number {
  return Math.min(1, sumFrom(distribution, Math.max(t + 1, least(distribution)), 1));
}

/** Pr[X ≤ t]. */
export function lowerTail(distribution: Hypergeometric, t: number): number {
  return Math.min(1, sumFrom(distribution, Math.min(t, most(distribution)), -1));
}

/** ln C(n, k), from Stirling's series. */
export function logBinomial(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

function least({ population, marked, draws }: Hypergeometric): number {
  return Math.max(0, draws - (population - marked));
}

function most({ marked, draws }: Hypergeometric): number {
  return Math.min(marked, draws);
}

/** Sums the probabilities at `start`, `start + step` … until the rest changes nothing. */
function sumFrom(distribution: Hypergeometric, start: number, step: 1 | -1): number {
  const { population, marked, draws } = distribution;
  const low = least(distribution);
  const high = most(distribution);
  if (start < low || start > high) return 0;
  let term = Math.exp(
    logBinomial(marked, start) + logBinomial(population - marked, draws - start) - logBinomial(population, draws),
  );
  let sum = 0;
  let previous = 0;
  for (let x = start; x >= low && x <= high; x += step) {
    sum += term;
    // Terms rise to the mode and fall after it; only falling ones may be cut off.
    if (term < previous && term < sum * 1e-18) break;
    previous = term;
    const up = ((marked - x) * (draws - x)) / ((x + 1) * (population - marked - draws + x + 1));
    const down = (x * (population - marked - draws + x)) / ((marked - x + 1) * (draws - x + 1));
    term *= step === 1 ? up : down;
  }
  return sum;
}

/** Exact products up to here; Stirling's series is exact to double precision beyond it. */
const TABLE_SIZE = 256;
const logFactorialTable: Float64Array = buildTable();

function logFactorial(n: number): number {
  if (n < TABLE_SIZE) return logFactorialTable[n] ?? 0;
  const inverse = 1 / n;
  const square = inverse * inverse;
  // Abramowitz and Stegun 6.1.41
  const correction = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260)));
  return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + correction;
}

function buildTable(): Float64Array {
  const table = new Float64Array(TABLE_SIZE);
  let sum = 0;
  for (let n = 1; n < TABLE_SIZE; n++) {
    sum += Math.log(n);
    table[n] = sum;
  }
  return table;
}
