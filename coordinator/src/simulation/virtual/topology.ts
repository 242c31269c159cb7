/** Dense layers as Keras' JSON has them: ReLU within, softmax at the end. */
export function denseTopology(features: number, hidden: readonly number[], classes: number): unknown {
  const units = [...hidden, classes];
  const layers = units.map((count, i) => ({
    class_name: "Dense",
    config: {
      name: `dense${i}`,
      units: count,
      use_bias: true,
      activation: i === units.length - 1 ? "softmax" : "relu",
      ...(i === 0 ? { batch_input_shape: [null, features] } : {}),
    },
  }));
  return { class_name: "Sequential", config: { name: "classifier", layers } };
}
