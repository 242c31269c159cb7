import type { backend_util } from "@tensorflow/tfjs-core";

/** Where windows lie along one direction of an image or a volume. */
export interface Axis {
  readonly input: number;
  readonly output: number;
  readonly window: number;
  readonly stride: number;
  readonly dilation: number;
  /** Margin in front of the input. */
  readonly before: number;
}

/** Depth, rows and columns; an image has a depth of 1. */
export type Axes = readonly [Axis, Axis, Axis];

/** The direction that images do not have. */
export const FLAT: Axis = { input: 1, output: 1, window: 1, stride: 1, dilation: 1, before: 0 };

/** The directions of a volume, of a convolution or a pooling without dilation: TensorFlow.js' own gradients know none. */
export function volumeAxes(info: backend_util.Conv3DInfo): Axes {
  const dilation = 1;
  return [
    {
      input: info.inDepth,
      output: info.outDepth,
      window: info.filterDepth,
      stride: info.strideDepth,
      dilation,
      before: info.padInfo.front,
    },
    {
      input: info.inHeight,
      output: info.outHeight,
      window: info.filterHeight,
      stride: info.strideHeight,
      dilation,
      before: info.padInfo.top,
    },
    {
      input: info.inWidth,
      output: info.outWidth,
      window: info.filterWidth,
      stride: info.strideWidth,
      dilation,
      before: info.padInfo.left,
    },
  ];
}

/** For each place of the output and each of its window inside the input, in the window's order. */
function along({
  input,
  output,
  window,
  stride,
  dilation,
  before,
}: Axis): readonly (readonly [number, number, number])[] {
  const meetings: (readonly [number, number, number])[] = [];
  for (let out = 0; out < output; out++) {
    for (let part = 0; part < window; part++) {
      const place = out * stride + part * dilation - before;
      if (place >= 0 && place < input) meetings.push([place, out, part]);
    }
  }
  return meetings;
}

/**
 * Calls `visit` with the places of input, output and window that meet, counted in pixels of all images. The windows of one
 * output are visited in their own order.
 */
export function forEachMeeting(
  images: number,
  [depth, rows, columns]: Axes,
  visit: (input: number, output: number, window: number) => void,
): void {
  const [planes, lines, points] = [along(depth), along(rows), along(columns)];
  for (let image = 0; image < images; image++) {
    for (const [plane, outPlane, windowPlane] of planes) {
      for (const [row, outRow, windowRow] of lines) {
        const inputRow = ((image * depth.input + plane) * rows.input + row) * columns.input;
        const outputRow = ((image * depth.output + outPlane) * rows.output + outRow) * columns.output;
        const windowAt = (windowPlane * rows.window + windowRow) * columns.window;
        for (const [column, outColumn, windowColumn] of points) {
          visit(inputRow + column, outputRow + outColumn, windowAt + windowColumn);
        }
      }
    }
  }
}
