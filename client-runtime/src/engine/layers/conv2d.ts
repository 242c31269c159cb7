import { packedLength } from "../kernels/kernels.js";
import type { LayerConfig } from "../model/topology.js";
import {
  allocateBatch,
  type Batch,
  type LayerCompiler,
  type LayerContext,
  type Operation,
  onlyInput,
  unsupported,
} from "../plan/step.js";
import { activate, activateGradient } from "./activation.js";
import { activationSetting, countSetting, flagSetting, pairSetting } from "./settings.js";

/** Where the windows of a convolution or a pooling lie in an image of rows × columns × channels. */
export interface Windows {
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  readonly windowRows: number;
  readonly windowColumns: number;
  readonly rowStride: number;
  readonly columnStride: number;
  readonly outRows: number;
  readonly outColumns: number;
  readonly top: number;
  readonly left: number;
  /** Of the image with its margins of zeros. */
  readonly paddedRows: number;
  readonly paddedColumns: number;
}

function along(
  extent: number,
  window: number,
  stride: number,
  same: boolean,
): readonly [out: number, before: number, padded: number] {
  if (!same) return [Math.floor((extent - window) / stride) + 1, 0, extent];
  const out = Math.ceil(extent / stride);
  const padding = Math.max((out - 1) * stride + window - extent, 0);
  return [out, Math.floor(padding / 2), extent + padding];
}

/**
 * Reads the form of windows from a layer's configuration, as TensorFlow has it.
 *
 * @throws ClientError GUARD_UNSUPPORTED for images with channels first, and for padding other than valid and same
 */
export function windowsOf(
  config: LayerConfig,
  input: Batch,
  size: readonly [number, number],
  strides: readonly [number, number],
): Windows {
  const [rows, columns, channels, ...more] = input.shape;
  if (rows === undefined || columns === undefined || channels === undefined || more.length > 0) {
    throw unsupported("an image that is not rows × columns × channels");
  }
  const format = config.data_format ?? "channels_last";
  if (format !== "channels_last" && format !== "channelsLast") throw unsupported("images with channels first");
  if (config.padding !== "valid" && config.padding !== "same") throw unsupported(`the padding ${config.padding}`);
  const same = config.padding === "same";
  const [outRows, top, paddedRows] = along(rows, size[0], strides[0], same);
  const [outColumns, left, paddedColumns] = along(columns, size[1], strides[1], same);
  if (outRows < 1 || outColumns < 1) throw unsupported("a window larger than its image");
  return {
    rows,
    columns,
    channels,
    windowRows: size[0],
    windowColumns: size[1],
    rowStride: strides[0],
    columnStride: strides[1],
    outRows,
    outColumns,
    top,
    left,
    paddedRows,
    paddedColumns,
  };
}

/** The images with their margins: the input itself where there are none, else a copy of each. */
function padded(
  windows: Windows,
  input: Batch,
  context: LayerContext,
): {
  readonly images: Batch;
  readonly fill: Operation;
  readonly empty: (gradient: number, to: number) => Operation;
  readonly same: boolean;
} {
  const { rows, columns, channels, paddedRows, paddedColumns, top, left } = windows;
  if (paddedRows === rows && paddedColumns === columns) {
    return { images: input, fill: () => {}, empty: () => () => {}, same: true };
  }
  const images = allocateBatch(context, [paddedRows, paddedColumns, channels]);
  const run = columns * channels;
  const forEachRow = (examples: number, visit: (inner: number, outer: number) => void): void => {
    for (let image = 0; image < examples; image++) {
      for (let row = 0; row < rows; row++) {
        visit(image * input.size + row * run, image * images.size + ((row + top) * paddedColumns + left) * channels);
      }
    }
  };
  return {
    images,
    same: false,
    fill: ({ heap }, examples) =>
      forEachRow(examples, (inner, outer) => {
        heap.copyWithin(images.at + outer, input.at + inner, input.at + inner + run);
      }),
    empty:
      (gradient, to) =>
      ({ heap }, examples) =>
        forEachRow(examples, (inner, outer) => {
          heap.copyWithin(to + inner, gradient + outer, gradient + outer + run);
        }),
  };
}

/** Convolution of images, channels last; the product reads the windows where they lie. */
export const conv2d: LayerCompiler = (config, inputs, context) => {
  const input = onlyInput(inputs);
  if (pairSetting(config, "dilation_rate", 1).some((rate) => rate !== 1)) throw unsupported("dilated convolution");
  const filters = countSetting(config, "filters");
  const windows = windowsOf(config, input, pairSetting(config, "kernel_size", 1), pairSetting(config, "strides", 1));
  const { channels, windowRows, windowColumns, rowStride, columnStride, outRows, outColumns, paddedColumns } = windows;
  const kernel = context.weight("kernel", [windowRows, windowColumns, channels, filters]);
  const bias = flagSetting(config, "use_bias", true) ? context.weight("bias", [filters]) : undefined;
  const kind = activationSetting(config);
  const output = allocateBatch(context, [outRows, outColumns, filters]);
  const { images, fill, empty, same } = padded(windows, input, context);
  const run = windowColumns * channels;
  const imageRow = paddedColumns * channels;
  const extent = { depth: run, outerDepth: windowRows, columns: filters };
  const weights = { at: kernel.at, step: filters, outer: run * filters, column: 1 };
  const packed = context.allocate(packedLength(extent));
  const apply = activate(kind, output);
  const places = outRows * outColumns;
  const left = {
    rows: outColumns,
    rowsOuter: outRows,
    row: columnStride * channels,
    rowOuter: rowStride * imageRow,
    step: 1,
    outer: imageRow,
  };
  return {
    output,
    forward(kernels, examples) {
      fill(kernels, examples);
      kernels.pack(extent, weights, packed);
      if (bias !== undefined) kernels.fillRows(output.at, bias.at, examples * places, filters);
      for (let image = 0; image < examples; image++) {
        const windowsAt = { ...left, at: images.at + image * images.size };
        kernels.multiplyPacked(extent, windowsAt, packed, output.at + image * output.size, filters, bias !== undefined);
      }
      apply(kernels, examples);
    },
    backward(outputGradient, [inputGradient]) {
      const through = activateGradient(kind, output, outputGradient);
      // The same windows, turned over: rows of the filter's gradient by places in the output.
      const overPlaces = { depth: outColumns, outerDepth: outRows, columns: filters };
      const turned = {
        rows: run,
        rowsOuter: windowRows,
        row: 1,
        rowOuter: imageRow,
        step: columnStride * channels,
        outer: rowStride * imageRow,
      };
      const backToWindows = { depth: filters, outerDepth: 1, columns: windowRows * run };
      const turnedWeights = { at: kernel.at, step: 1, outer: 0, column: filters };
      const wanted = inputGradient !== undefined;
      const packedTurned = wanted ? context.allocate(packedLength(backToWindows)) : 0;
      const columns = wanted ? context.allocate(places * windowRows * run) : 0;
      const paddedGradient = !wanted || same ? (inputGradient ?? 0) : context.allocate(images.size * context.batchSize);
      const crop = wanted ? empty(paddedGradient, inputGradient) : undefined;
      return (kernels, examples) => {
        through(kernels, examples);
        if (bias !== undefined) kernels.sumRows(bias.gradient, outputGradient, examples * places, filters);
        if (crop !== undefined) {
          kernels.pack(backToWindows, turnedWeights, packedTurned);
          kernels.heap.fill(0, paddedGradient, paddedGradient + examples * images.size);
        }
        for (let image = 0; image < examples; image++) {
          const gradientAt = outputGradient + image * output.size;
          const errors = { at: gradientAt, step: filters, outer: outColumns * filters, column: 1 };
          const at = images.at + image * images.size;
          kernels.multiply(overPlaces, { ...turned, at }, errors, kernel.gradient, filters, image > 0);
          if (crop === undefined) continue;
          const byPlace = { at: gradientAt, rows: places, rowsOuter: 1, row: filters, rowOuter: 0, step: 1, outer: 0 };
          kernels.multiplyPacked(backToWindows, byPlace, packedTurned, columns, windowRows * run, false);
          kernels.addWindows(
            {
              outRows,
              outColumns,
              windowRows,
              run,
              rowStep: rowStride * imageRow,
              columnStep: columnStride * channels,
              imageRow,
            },
            columns,
            paddedGradient + image * images.size,
          );
        }
        crop?.(kernels, examples);
      };
    },
  };
};
