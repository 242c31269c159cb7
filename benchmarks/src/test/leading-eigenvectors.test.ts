import t from "tap";
import { leadingEigenpairs } from "../leading-eigenvectors.js";

t.test("the leading eigenpairs of a matrix that was made of them", async (t) => {
  // Orthonormal cosines with weights 9, 4 and 1, and nothing else.
  const size = 60;
  const weights = [9, 4, 1];
  const vectors = weights.map((_, k) =>
    Float64Array.from(
      { length: size },
      (_, i) => Math.sqrt(2 / size) * Math.cos((Math.PI * (k + 1) * (i + 0.5)) / size),
    ),
  );
  const matrix = new Float32Array(size * size);
  weights.forEach((weight, k) => {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        matrix[i * size + j] = (matrix[i * size + j] ?? 0) + weight * (vectors[k]?.[i] ?? 0) * (vectors[k]?.[j] ?? 0);
      }
    }
  });
  const found = leadingEigenpairs(matrix, size, 3);
  weights.forEach((weight, k) => {
    t.ok(Math.abs((found.values[k] ?? 0) - weight) < 1e-5, `${found.values[k]} is near ${weight}`);
    const overlap = vectors[k]?.reduce((sum, value, i) => sum + value * (found.vectors[k]?.[i] ?? 0), 0);
    t.ok(Math.abs(Math.abs(overlap ?? 0) - 1) < 1e-6, `vector ${k}`);
  });
});
