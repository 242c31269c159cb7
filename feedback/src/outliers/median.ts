/** The value below which a part of the values lies, between neighbours in proportion. @param part from 0 to 1 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = part * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN];
  return low === high ? low : low + (at - Math.floor(at)) * (high - low);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
