/** ln n!, by summation below 256 and by Stirling's series above; to about 1e-13 relative. */
export function logOfFactorial(n: number): number {
  if (n < 256) {
    let sum = 0;
    for (let i = 2; i <= n; i++) {
      sum += Math.log(i);
    }
    return sum;
  }
  return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * n) - 1 / (360 * n ** 3);
}

/** x ↦ P(x) of the Skellam distribution: Σ over pairs of Poisson probabilities. */
export function skellamProbability(noiseStdDev: number): (x: number) => number {
  const mean = (noiseStdDev * noiseStdDev) / 2;
  const poisson = (k: number): number => Math.exp(k * Math.log(mean) - mean - logOfFactorial(k));
  const reach = Math.ceil(mean + 12 * Math.sqrt(mean) + 30);
  const table = Float64Array.from({ length: reach }, (_, k) => poisson(k));
  return (x) => {
    const shift = Math.abs(x);
    let sum = 0;
    for (let k = 0; k + shift < reach; k++) {
      sum += (table[k] ?? 0) * (table[k + shift] ?? 0);
    }
    return sum;
  };
}
