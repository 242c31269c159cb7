/** Pearson's correlation; 0 where one of both does not vary. */
export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = Math.min(a.length, b.length);
  let [sumA, sumB] = [0, 0];
  for (let i = 0; i < n; i++) {
    sumA += a[i] ?? 0;
    sumB += b[i] ?? 0;
  }
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [x, y] = [(a[i] ?? 0) - sumA / n, (b[i] ?? 0) - sumB / n];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}

/** Every number that a decoded message holds, by the path of its field; of bytes, texts and lists their length, too. */
export function numbersIn(value: unknown, path = ""): Map<string, number> {
  const found = new Map<string, number>();
  const add = (name: string, amount: number): void => {
    found.set(name, (found.get(name) ?? 0) + amount);
  };
  if (typeof value === "number" || typeof value === "bigint") add(path, Number(value));
  else if (typeof value === "string") add(`${path}.length`, value.length);
  else if (value instanceof Uint8Array) add(`${path}.length`, value.length);
  else if (Array.isArray(value)) {
    add(`${path}.length`, value.length);
    for (const item of value) for (const [name, amount] of numbersIn(item, `${path}[]`)) add(name, amount);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (key.startsWith("$")) continue;
      for (const [name, amount] of numbersIn(item, `${path}.${key}`)) add(name, amount);
    }
  }
  return found;
}
