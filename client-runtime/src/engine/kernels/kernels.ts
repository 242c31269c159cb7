/** A matrix A that lies in the heap: row (q, i) and depth (o, k) at `at + q·rowOuter + i·row + o·outer + k·step`. */
export interface LeftOperand {
  readonly at: number;
  /** How many i there are. */
  readonly rows: number;
  /** How many q there are. */
  readonly rowsOuter: number;
  readonly row: number;
  readonly rowOuter: number;
  readonly step: number;
  readonly outer: number;
}

/** A matrix B that lies in the heap: depth (o, k) and column j at `at + o·outer + k·step + j·column`. */
export interface RightOperand {
  readonly at: number;
  readonly step: number;
  readonly outer: number;
  readonly column: number;
}

/** How far the sums of a product go: depth (o, k) with o below `outerDepth` and k below `depth`; and B's columns. */
export interface Extent {
  readonly depth: number;
  readonly outerDepth: number;
  readonly columns: number;
}

/** Activations that kernels compute, by number. */
export const activations = {
  linear: 0,
  relu: 1,
  sigmoid: 2,
  tanh: 3,
  hardSigmoid: 4,
  elu: 5,
  relu6: 6,
} as const;

/** Of `activations`. */
export type ActivationKind = (typeof activations)[keyof typeof activations];

/** One time step of a recurrent layer: where its rows lie. */
export interface RecurrentStep {
  readonly kind: ActivationKind;
  readonly gateKind: ActivationKind;
  readonly rows: number;
  readonly units: number;
  readonly gates: number;
  readonly gateRow: number;
  readonly cell: number;
  /** The cell of the step before. */
  readonly before: number;
  readonly stateRow: number;
  /** Whether there is no step before. */
  readonly first: boolean;
}

/** Windows of pooling over images, channels last. */
export interface Pooling {
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  readonly outRows: number;
  readonly outColumns: number;
  readonly poolRows: number;
  readonly poolColumns: number;
  readonly rowStride: number;
  readonly columnStride: number;
  readonly top: number;
  readonly left: number;
}

/** Windows of an image, each `windowRows` runs of `run` floats. */
export interface WindowRuns {
  readonly outRows: number;
  readonly outColumns: number;
  readonly windowRows: number;
  readonly run: number;
  /** From a window to the one below, and to the one on its right. */
  readonly rowStep: number;
  readonly columnStep: number;
  /** From a run of a window to the next one. */
  readonly imageRow: number;
}

/** Adam's numbers; `first` and `second` are 1 − βᵗ. */
export interface AdamFactors {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly first: number;
  readonly second: number;
}

/**
 * What a compiled training step is made of: operations on one heap of 32-bit floats, whose operands are offsets counted
 * in floats. Two implementations agree up to rounding: `wasmKernels`, and `plainKernels`, its reference.
 */
export interface Kernels {
  readonly heap: Float32Array;
  /** C (+)= A·B, with row r of C at `c + r·cRow`. */
  multiply(extent: Extent, left: LeftOperand, right: RightOperand, c: number, cRow: number, accumulate: boolean): void;
  /** Lays B out at `to` for `multiplyPacked`; takes `packedLength` floats. */
  pack(extent: Extent, right: RightOperand, to: number): void;
  /** C (+)= A·B for a packed B. */
  multiplyPacked(extent: Extent, left: LeftOperand, packed: number, c: number, cRow: number, accumulate: boolean): void;
  /** x = activation(x) */
  activate(kind: ActivationKind, x: number, count: number): void;
  /** dy = dy · slope, from the activation's value y */
  activateGradient(kind: ActivationKind, y: number, dy: number, count: number): void;
  softmax(x: number, rows: number, columns: number): void;
  /** dy = y · (dy − Σ dy·y) in each row */
  softmaxGradient(y: number, dy: number, rows: number, columns: number): void;
  /** to += scale · from */
  addScaled(to: number, from: number, count: number, scale: number): void;
  /** Each row of `to` becomes `row`. */
  fillRows(to: number, row: number, rows: number, columns: number): void;
  /** sums = Σ rows */
  sumRows(sums: number, from: number, rows: number, columns: number): void;
  /** v = momentum · v + g; p −= rate · v */
  momentumStep(p: number, g: number, v: number, count: number, rate: number, momentum: number): void;
  /** Kingma and Ba, Adam (2015), algorithm 1. */
  adamStep(p: number, g: number, m: number, v: number, count: number, factors: AdamFactors): void;
  /** Row i of `to` becomes row ids[i] of `table`. */
  gatherRows(to: number, table: number, ids: number, count: number, width: number): void;
  /** Row ids[i] of `table` += scale · row i of `from` */
  scatterRows(table: number, from: number, ids: number, count: number, width: number, scale: number): void;
  /** Gates before activation become activated; cell = f·before + i·g; hidden = o·activation(cell). */
  lstmStep(step: RecurrentStep, hidden: number): void;
  /** Activated gates become their gradients before activation; dCell goes from this step's to the one before's. */
  lstmStepGradient(step: RecurrentStep, dHidden: number, dCell: number): void;
  /** Adds windows, which lie at `from` one after the other, to where they lie in an image. */
  addWindows(windows: WindowRuns, from: number, image: number): void;
  /** `places` gets, as integers, where in its image each maximum lay. */
  maxPool(pooling: Pooling, images: number, x: number, y: number, places: number): void;
  /** Adds each output's gradient to its place in dx. */
  maxPoolGradient(pooling: Pooling, images: number, dx: number, dy: number, places: number): void;
}

/** Columns of a packed panel. */
export const PANEL_COLUMNS = 8;

/** How many floats a packed matrix takes. */
export function packedLength({ depth, outerDepth, columns }: Extent): number {
  return Math.ceil(columns / PANEL_COLUMNS) * PANEL_COLUMNS * depth * outerDepth;
}
