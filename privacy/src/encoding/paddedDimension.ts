/** @returns the smallest power of two that is at least `dimension` */
export function paddedDimension(dimension: number): number {
  let padded = 1;
  while (padded < dimension) {
    padded *= 2;
  }
  return padded;
}
