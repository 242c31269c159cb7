// The kernels in plain JavaScript: the reference for source/*.as, and what runs where WebAssembly may not.
import {
  type ActivationKind,
  type AdamFactors,
  activations,
  type Extent,
  type Kernels,
  type LeftOperand,
  PANEL_COLUMNS,
  type Pooling,
  type RecurrentStep,
  type WindowRuns,
} from "./kernels.js";

/** The activation's value. */
function activation(kind: ActivationKind, x: number): number {
  switch (kind) {
    case activations.linear:
      return x;
    case activations.relu:
      return Math.max(x, 0);
    case activations.sigmoid:
      return 1 / (1 + Math.exp(-x));
    case activations.tanh:
      return Math.tanh(x);
    case activations.hardSigmoid:
      return Math.min(Math.max(0.2 * x + 0.5, 0), 1);
    case activations.elu:
      return x >= 0 ? x : Math.expm1(x);
    case activations.relu6:
      return Math.min(Math.max(x, 0), 6);
  }
}

/** The activation's slope where it has the value y. */
export function slope(kind: ActivationKind, y: number): number {
  switch (kind) {
    case activations.linear:
      return 1;
    case activations.relu:
      return y > 0 ? 1 : 0;
    case activations.sigmoid:
      return y * (1 - y);
    case activations.tanh:
      return 1 - y * y;
    case activations.hardSigmoid:
      return y > 0 && y < 1 ? 0.2 : 0;
    case activations.elu:
      return y > 0 ? 1 : y + 1;
    case activations.relu6:
      return y > 0 && y < 6 ? 1 : 0;
  }
}

class PlainKernels implements Kernels {
  readonly heap: Float32Array;
  readonly #integers: Int32Array;

  constructor(length: number) {
    this.heap = new Float32Array(length);
    this.#integers = new Int32Array(this.heap.buffer);
  }

  multiply(
    extent: Extent,
    left: LeftOperand,
    right: { at: number; step: number; outer: number; column: number },
    c: number,
    cRow: number,
    accumulate: boolean,
  ): void {
    this.#product(
      extent,
      left,
      (o, k, j) => right.at + o * right.outer + k * right.step + j * right.column,
      c,
      cRow,
      accumulate,
    );
  }

  pack(extent: Extent, right: { at: number; step: number; outer: number; column: number }, to: number): void {
    const { depth, outerDepth, columns } = extent;
    let place = to;
    for (let first = 0; first < columns; first += PANEL_COLUMNS) {
      for (let o = 0; o < outerDepth; o++) {
        for (let k = 0; k < depth; k++) {
          for (let j = first; j < first + PANEL_COLUMNS; j++) {
            const value = j < columns ? this.#at(right.at + o * right.outer + k * right.step + j * right.column) : 0;
            this.heap[place++] = value;
          }
        }
      }
    }
  }

  multiplyPacked(
    extent: Extent,
    left: LeftOperand,
    packed: number,
    c: number,
    cRow: number,
    accumulate: boolean,
  ): void {
    const { depth, outerDepth } = extent;
    const offset = (o: number, k: number, j: number): number => {
      const panel = Math.floor(j / PANEL_COLUMNS);
      return packed + ((panel * outerDepth + o) * depth + k) * PANEL_COLUMNS + (j % PANEL_COLUMNS);
    };
    this.#product(extent, left, offset, c, cRow, accumulate);
  }

  activate(kind: ActivationKind, x: number, count: number): void {
    for (let i = x; i < x + count; i++) this.heap[i] = activation(kind, this.#at(i));
  }

  activateGradient(kind: ActivationKind, y: number, dy: number, count: number): void {
    for (let i = 0; i < count; i++) this.heap[dy + i] = this.#at(dy + i) * slope(kind, this.#at(y + i));
  }

  softmax(x: number, rows: number, columns: number): void {
    for (let row = x; row < x + rows * columns; row += columns) {
      let most = Number.NEGATIVE_INFINITY;
      for (let i = row; i < row + columns; i++) most = Math.max(most, this.#at(i));
      let sum = 0;
      for (let i = row; i < row + columns; i++) {
        const power = Math.exp(this.#at(i) - most);
        this.heap[i] = power;
        sum += power;
      }
      for (let i = row; i < row + columns; i++) this.heap[i] = this.#at(i) / sum;
    }
  }

  softmaxGradient(y: number, dy: number, rows: number, columns: number): void {
    for (let row = 0; row < rows * columns; row += columns) {
      let sum = 0;
      for (let i = row; i < row + columns; i++) sum += this.#at(y + i) * this.#at(dy + i);
      for (let i = row; i < row + columns; i++) this.heap[dy + i] = this.#at(y + i) * (this.#at(dy + i) - sum);
    }
  }

  addScaled(to: number, from: number, count: number, scale: number): void {
    for (let i = 0; i < count; i++) this.heap[to + i] = this.#at(to + i) + scale * this.#at(from + i);
  }

  fillRows(to: number, row: number, rows: number, columns: number): void {
    for (let r = 0; r < rows; r++) this.heap.copyWithin(to + r * columns, row, row + columns);
  }

  sumRows(sums: number, from: number, rows: number, columns: number): void {
    for (let i = 0; i < columns; i++) {
      let sum = 0;
      for (let r = 0; r < rows; r++) sum += this.#at(from + r * columns + i);
      this.heap[sums + i] = sum;
    }
  }

  momentumStep(p: number, g: number, v: number, count: number, rate: number, momentum: number): void {
    for (let i = 0; i < count; i++) {
      const velocity = momentum * this.#at(v + i) + this.#at(g + i);
      this.heap[v + i] = velocity;
      this.heap[p + i] = this.#at(p + i) - rate * velocity;
    }
  }

  adamStep(p: number, g: number, m: number, v: number, count: number, factors: AdamFactors): void {
    const { rate, beta1, beta2, epsilon, first, second } = factors;
    for (let i = 0; i < count; i++) {
      const gradient = this.#at(g + i);
      const mean = beta1 * this.#at(m + i) + (1 - beta1) * gradient;
      const spread = beta2 * this.#at(v + i) + (1 - beta2) * gradient * gradient;
      this.heap[m + i] = mean;
      this.heap[v + i] = spread;
      this.heap[p + i] = this.#at(p + i) - (rate * (mean / first)) / (Math.sqrt(spread / second) + epsilon);
    }
  }

  gatherRows(to: number, table: number, ids: number, count: number, width: number): void {
    for (let i = 0; i < count; i++) {
      const from = table + this.#at(ids + i) * width;
      this.heap.copyWithin(to + i * width, from, from + width);
    }
  }

  scatterRows(table: number, from: number, ids: number, count: number, width: number, scale: number): void {
    for (let i = 0; i < count; i++) {
      this.addScaled(table + this.#at(ids + i) * width, from + i * width, width, scale);
    }
  }

  lstmStep(step: RecurrentStep, hidden: number): void {
    const { kind, gateKind, rows, units, first } = step;
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < units; i++) {
        const gate = step.gates + r * step.gateRow + i;
        const state = r * step.stateRow + i;
        const input = activation(gateKind, this.#at(gate));
        const forget = activation(gateKind, this.#at(gate + units));
        const candidate = activation(kind, this.#at(gate + 2 * units));
        const output = activation(gateKind, this.#at(gate + 3 * units));
        const past = first ? 0 : this.#at(step.before + state);
        const cell = forget * past + input * candidate;
        this.heap[gate] = input;
        this.heap[gate + units] = forget;
        this.heap[gate + 2 * units] = candidate;
        this.heap[gate + 3 * units] = output;
        this.heap[step.cell + state] = cell;
        this.heap[hidden + state] = output * activation(kind, cell);
      }
    }
  }

  lstmStepGradient(step: RecurrentStep, dHidden: number, dCell: number): void {
    const { kind, gateKind, rows, units, first } = step;
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < units; i++) {
        const gate = step.gates + r * step.gateRow + i;
        const state = r * step.stateRow + i;
        const own = r * units + i;
        const input = this.#at(gate);
        const forget = this.#at(gate + units);
        const candidate = this.#at(gate + 2 * units);
        const output = this.#at(gate + 3 * units);
        const active = activation(kind, this.#at(step.cell + state));
        const gradient = this.#at(dHidden + own);
        const cellGradient = this.#at(dCell + own) + gradient * output * slope(kind, active);
        const past = first ? 0 : this.#at(step.before + state);
        this.heap[gate] = cellGradient * candidate * slope(gateKind, input);
        this.heap[gate + units] = cellGradient * past * slope(gateKind, forget);
        this.heap[gate + 2 * units] = cellGradient * input * slope(kind, candidate);
        this.heap[gate + 3 * units] = gradient * active * slope(gateKind, output);
        this.heap[dCell + own] = cellGradient * forget;
      }
    }
  }

  addWindows(windows: WindowRuns, from: number, image: number): void {
    const { outRows, outColumns, windowRows, run, rowStep, columnStep, imageRow } = windows;
    let at = from;
    for (let row = 0; row < outRows; row++) {
      for (let column = 0; column < outColumns; column++) {
        for (let windowRow = 0; windowRow < windowRows; windowRow++) {
          this.addScaled(image + row * rowStep + column * columnStep + windowRow * imageRow, at, run, 1);
          at += run;
        }
      }
    }
  }

  maxPool(pooling: Pooling, images: number, x: number, y: number, places: number): void {
    const { rows, columns, channels, outRows, outColumns } = pooling;
    let output = 0;
    for (let image = 0; image < images; image++) {
      const base = x + image * rows * columns * channels;
      for (let outRow = 0; outRow < outRows; outRow++) {
        const firstRow = outRow * pooling.rowStride - pooling.top;
        for (let outColumn = 0; outColumn < outColumns; outColumn++) {
          const firstColumn = outColumn * pooling.columnStride - pooling.left;
          for (let channel = 0; channel < channels; channel++) {
            let most = Number.NEGATIVE_INFINITY;
            let place = 0;
            for (let row = Math.max(firstRow, 0); row < Math.min(firstRow + pooling.poolRows, rows); row++) {
              const end = Math.min(firstColumn + pooling.poolColumns, columns);
              for (let column = Math.max(firstColumn, 0); column < end; column++) {
                const at = (row * columns + column) * channels + channel;
                if (this.#at(base + at) > most) {
                  most = this.#at(base + at);
                  place = at;
                }
              }
            }
            this.heap[y + output] = most;
            this.#integers[places + output] = place;
            output += 1;
          }
        }
      }
    }
  }

  maxPoolGradient(pooling: Pooling, images: number, dx: number, dy: number, places: number): void {
    const size = pooling.rows * pooling.columns * pooling.channels;
    const outSize = pooling.outRows * pooling.outColumns * pooling.channels;
    for (let i = 0; i < images * outSize; i++) {
      const at = dx + Math.floor(i / outSize) * size + (this.#integers[places + i] ?? 0);
      this.heap[at] = this.#at(at) + this.#at(dy + i);
    }
  }

  #at(offset: number): number {
    return this.heap[offset] ?? 0;
  }

  #product(
    { depth, outerDepth, columns }: Extent,
    left: LeftOperand,
    right: (o: number, k: number, j: number) => number,
    c: number,
    cRow: number,
    accumulate: boolean,
  ): void {
    for (let r = 0; r < left.rows * left.rowsOuter; r++) {
      const a = left.at + Math.floor(r / left.rows) * left.rowOuter + (r % left.rows) * left.row;
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let o = 0; o < outerDepth; o++) {
          for (let k = 0; k < depth; k++)
            sum += this.#at(a + o * left.outer + k * left.step) * this.#at(right(o, k, j));
        }
        const at = c + r * cRow + j;
        this.heap[at] = accumulate ? this.#at(at) + sum : sum;
      }
    }
  }
}

/** @param length of the heap, floats */
export function plainKernels(length: number): Kernels {
  return new PlainKernels(length);
}
