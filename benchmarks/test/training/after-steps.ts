import { type LayersEngine, openLayersModel, type Solver } from "@fedloop/client-runtime/tensorflow";
import { examplesOf, type TrainingCase } from "../../src/training/models.js";

/** How far two engines are from each other, and from where they started. */
export interface Distance {
  /** ‖a − b‖ / ‖b‖ */
  readonly relative: number;
  /** ‖b − start‖ / ‖start‖ */
  readonly moved: number;
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

function minus(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value - (b[i] ?? 0));
}

/**
 * Weights to start from. The seed matters: from some, a value comes within rounding of a kink (of relu, or of two values in
 * a pooling window), takes the other side at one engine, and the engines part by 1e-3. TensorFlow.js' own cpu and wasm do.
 */
function startOf(length: number): Float32Array {
  let state = 7919;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (0.05 * state) / 2 ** 31;
  });
}

/** Takes the same steps compiled and at another engine, from the same weights on the same batches. */
export async function distanceAfterSteps(
  each: TrainingCase,
  optimiser: Solver["optimiser"],
  steps: number,
  reference: LayersEngine,
): Promise<Distance> {
  const examples = examplesOf(each, 4 * each.batchSize, 7);
  const results: Float32Array[] = [];
  let start: Float32Array | undefined;
  for (const engine of [reference, "compiled"] as const) {
    const model = await openLayersModel({ model: each.build, loss: each.loss, backends: [engine] });
    const built = each.build();
    const manifest = built.weights.map(({ name, shape }) => ({ name, shape: shape.map((extent) => extent ?? 1) }));
    start ??= startOf(manifest.reduce((sum, { shape }) => sum + shape.reduce((size, extent) => size * extent, 1), 0));
    built.dispose();
    model.start(start, manifest, { optimiser, batchSize: each.batchSize });
    for (let step = 0; step < steps; step++) {
      const first = (step % 4) * each.batchSize;
      model.step(
        examples,
        Uint32Array.from({ length: each.batchSize }, (_, i) => first + i),
      );
    }
    results.push(await model.read());
    model.close();
  }
  const [expected = new Float32Array(), compiled = new Float32Array()] = results;
  const from = start ?? new Float32Array();
  return {
    relative: norm(minus(compiled, expected)) / norm(expected),
    moved: norm(minus(expected, from)) / norm(from),
  };
}
