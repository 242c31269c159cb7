/** Keras' JSON of label = w·feature. */
export const LINEAR: object = {
  class_name: "Sequential",
  config: {
    name: "line",
    layers: [{ class_name: "Dense", config: { name: "w", units: 1, use_bias: false, batch_input_shape: [null, 1] } }],
  },
};
