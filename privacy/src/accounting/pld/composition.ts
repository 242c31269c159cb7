import { FourierTransform, mirrorPosition } from "../../numerics/fft.js";
import { greatestCommonDivisor } from "./atoms.js";
import { LossRange, type Repeated } from "./lossRange.js";

/** A composed distribution on the lattice interval · (first + stride · j), and bounds that need no transform. */
export interface ComposedLoss {
  readonly interval: number;
  readonly first: number;
  readonly stride: number;
  readonly mass: Float64Array;
  readonly infinite: number;
}

/** Mass that may be cut off on each side; what is cut off above counts as infinite loss. */
const TRUNCATION = 1e-15;

/** Rounding of a transform and its powers, relative to mass 1: c · 2^-53 · log₂ n per composition (Higham 2002, §24). */
const ROUNDING = 4 * 2 ** -53;

/** The common lattice of several distributions: entries of part k lie at first_k + stride · j. */
export function commonStride(parts: readonly Repeated[]): number {
  let stride = 0;
  for (const { loss } of parts) {
    for (let j = 1; j < loss.mass.length; j++) {
      if ((loss.mass[j] ?? 0) > 0) {
        stride = greatestCommonDivisor(stride, j);
        if (stride === 1) {
          return 1;
        }
      }
    }
  }
  return Math.max(1, stride);
}

/** How many lattice points a composition needs between its truncation points. */
export function windowLength(range: LossRange, interval: number, stride: number): number {
  return Math.ceil((range.above(TRUNCATION) - range.below(TRUNCATION)) / (interval * stride)) + 2;
}

interface Spectrum {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

function unitSpectrum(length: number): Spectrum {
  return { re: new Float64Array(length).fill(1), im: new Float64Array(length) };
}

const transforms = new Map<number, FourierTransform>();

function transformOf(length: number): FourierTransform {
  let transform = transforms.get(length);
  if (transform === undefined) {
    transform = new FourierTransform(length);
    // 2^19 take 25 MB; longer ones are rare and not worth keeping.
    if (length <= 2 ** 19) {
      transforms.set(length, transform);
    }
  }
  return transform;
}

/**
 * Convolves two lists of distributions at once, `remove` as real and `add` as imaginary parts of one sequence: spectra
 * are raised to their powers and multiplied. All parts have the same interval. Positions wrap around at the transform's
 * length; what wraps is at most the truncation mass, and what wraps from above is counted as infinite besides.
 *
 * @param remove the parts in one direction
 * @param add the parts in the other, as many and with the same counts; undefined when the mechanism is symmetric
 * @param ranges of the one or two lists
 */
export function compose(
  remove: readonly Repeated[],
  add: readonly Repeated[] | undefined,
  ranges: readonly LossRange[],
): { readonly remove: ComposedLoss; readonly add: ComposedLoss | undefined } {
  const interval = remove[0]?.loss.interval ?? 1;
  const directions = add === undefined ? [remove] : [remove, add];
  const strides = directions.map(commonStride);
  const stride = strides.reduce(greatestCommonDivisor, 0);
  const windows = directions.map((parts, k) => {
    const range = ranges[k] ?? new LossRange(parts);
    const offset = parts.reduce((sum, { loss, count }) => sum + count * loss.first, 0);
    const low = Math.floor((range.below(TRUNCATION) / interval - offset) / stride);
    const high = Math.ceil((range.above(TRUNCATION) / interval - offset) / stride);
    return { offset, low, points: high - low + 1 };
  });
  let length = 2;
  while (windows.some(({ points }) => points > length)) {
    length *= 2;
  }
  const transform = transformOf(length);
  const total = unitSpectrum(length);
  const other = add === undefined ? undefined : unitSpectrum(length);
  const part: Spectrum = { re: new Float64Array(length), im: new Float64Array(length) };
  let compositions = 0;
  remove.forEach(({ loss, count }, k) => {
    part.re.fill(0);
    part.im.fill(0);
    fold(loss.mass, stride, part.re);
    if (add !== undefined) {
      fold((add[k]?.loss ?? loss).mass, stride, part.im);
    }
    transform.forward(part.re, part.im);
    multiplyByPower(part, count, total, other);
    compositions += count;
  });
  // z = x + iy with real x and y: put the two spectra together again.
  if (other !== undefined) {
    for (let position = 0; position < length; position++) {
      total.re[position] = (total.re[position] ?? 0) - (other.im[position] ?? 0);
      total.im[position] = (total.im[position] ?? 0) + (other.re[position] ?? 0);
    }
  }
  transform.inverse(total.re, total.im);

  const rounding = ROUNDING * Math.log2(length) * (compositions + 1);
  const read = (values: Float64Array, k: number): ComposedLoss => {
    const { offset, low, points } = windows[k] ?? { offset: 0, low: 0, points: 0 };
    const mass = new Float64Array(points);
    const start = ((low % length) + length) % length;
    for (let j = 0; j < points; j++) {
      mass[j] = Math.max(0, values[(start + j) % length] ?? 0) / length;
    }
    return {
      interval,
      first: offset + stride * low,
      stride,
      mass,
      infinite: Math.min(1, (ranges[k]?.infinite ?? 1) + TRUNCATION + rounding),
    };
  };
  return { remove: read(total.re, 0), add: add === undefined ? undefined : read(total.im, 1) };
}

/** Every stride-th entry, wrapped around. */
function fold(mass: Float64Array, stride: number, into: Float64Array): void {
  const mask = into.length - 1;
  for (let j = 0, at = 0; j < mass.length; j += stride, at++) {
    into[at & mask] = (into[at & mask] ?? 0) + (mass[j] ?? 0);
  }
}

/** Powers of magnitude below e^-100 are taken for zero: their sum over any transform is far below all rounding. */
const VANISHING = -200;

/**
 * Splits the spectrum of x + iy into those of x and y, raises each to `count` and multiplies them into the totals. The
 * spectrum of a real sequence is conjugate-symmetric: half of the entries give the other half.
 */
function multiplyByPower(spectrum: Spectrum, count: number, x: Spectrum, y: Spectrum | undefined): void {
  const { re, im } = spectrum;
  const least = Math.exp(VANISHING / count);
  for (let position = 0; position < re.length; position++) {
    const mirror = mirrorPosition(position);
    if (mirror < position) {
      continue;
    }
    const zr = re[position] ?? 0;
    const zi = im[position] ?? 0;
    if (y === undefined) {
      multiplyAt(x, position, mirror, zr, zi, count, least);
      continue;
    }
    const wr = re[mirror] ?? 0;
    const wi = im[mirror] ?? 0;
    multiplyAt(x, position, mirror, (zr + wr) / 2, (zi - wi) / 2, count, least);
    multiplyAt(y, position, mirror, (zi + wi) / 2, (wr - zr) / 2, count, least);
  }
}

/** target[at] *= (re + i·im)^count, and its conjugate at the mirror position. */
function multiplyAt(
  target: Spectrum,
  at: number,
  mirror: number,
  re: number,
  im: number,
  count: number,
  least: number,
): void {
  let pr = re;
  let pi = im;
  if (count !== 1) {
    // By repeated squaring: as many roundings as the power has bits, and no angle to reduce.
    let br = re;
    let bi = im;
    pr = re * re + im * im < least ? 0 : 1;
    pi = 0;
    for (let left = pr === 0 ? 0 : count; left > 0; ) {
      if (left % 2 === 1) {
        const next = pr * br - pi * bi;
        pi = pr * bi + pi * br;
        pr = next;
      }
      left = Math.floor(left / 2);
      const next = br * br - bi * bi;
      bi = 2 * br * bi;
      br = next;
    }
  }
  const tr = target.re[at] ?? 0;
  const ti = target.im[at] ?? 0;
  const re1 = tr * pr - ti * pi;
  const im1 = tr * pi + ti * pr;
  target.re[at] = re1;
  target.im[at] = im1;
  if (mirror !== at) {
    target.re[mirror] = re1;
    target.im[mirror] = -im1;
  }
}
