import fc from "fast-check";
import t from "tap";
import { symmetricEigenpairs } from "../../src/strategies/symmetric-eigenpairs.js";

t.test("A·v = λ·v for each pair, the vectors are orthonormal, and the largest value comes first", async (t) => {
  const entry = fc.double({ min: -100, max: 100, noNaN: true });
  const square = fc.integer({ min: 1, max: 8 }).chain((size) => {
    const length = size * size;
    return fc.tuple(fc.constant(size), fc.array(entry, { minLength: length, maxLength: length }));
  });
  fc.assert(
    fc.property(square, ([size, entries]) => {
      const matrix = Float64Array.from(entries, (_, at) => {
        const [i, j] = [Math.floor(at / size), at % size];
        return (entries[i * size + j] ?? 0) + (entries[j * size + i] ?? 0);
      });
      const { values, vectors } = symmetricEigenpairs(matrix, size);
      for (const [p, vector] of vectors.entries()) {
        if (p > 0 && (values[p] ?? 0) > (values[p - 1] ?? 0)) return false;
        for (let i = 0; i < size; i++) {
          const image = vector.reduce((sum, value, j) => sum + (matrix[i * size + j] ?? 0) * value, 0);
          if (Math.abs(image - (values[p] ?? 0) * (vector[i] ?? 0)) > 1e-9) return false;
        }
        for (const [q, other] of vectors.entries()) {
          const inner = vector.reduce((sum, value, i) => sum + value * (other[i] ?? 0), 0);
          if (Math.abs(inner - (p === q ? 1 : 0)) > 1e-12) return false;
        }
      }
      return vectors.length === size;
    }),
    { numRuns: 50, seed: 1 },
  );
  t.pass("50 matrices");
});

t.test("a matrix with known pairs, and one of zeros", async (t) => {
  const { values, vectors } = symmetricEigenpairs(Float64Array.of(2, 1, 1, 2), 2);
  t.same(
    [...values].map((value) => Math.round(value * 1e12) / 1e12),
    [3, 1],
  );
  t.ok(Math.abs(Math.abs(vectors[0]?.[0] ?? 0) - Math.SQRT1_2) < 1e-12);
  t.same([...symmetricEigenpairs(new Float64Array(4), 2).values], [0, 0]);
});
