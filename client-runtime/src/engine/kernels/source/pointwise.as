// What is computed number by number. Offsets count floats.
import { loadPart, storePart } from "./multiply";

/** eˣ for four lanes, relative error below 2⁻²². Moshier, Cephes, expf. */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  x = f32x4.max(f32x4.min(x, f32x4.splat(88)), f32x4.splat(-87));
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.44269504088896341)));
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.add(r, f32x4.mul(n, f32x4.splat(2.12194440e-4)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.mul(f32x4.mul(p, r), r), f32x4.add(r, f32x4.splat(1)));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return f32x4.mul(p, power);
}

// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

/** Moshier, Cephes, tanhf: a polynomial where the quotient of exponentials would cancel. */
// @ts-ignore: decorator
@inline
export function tanh4(x: v128): v128 {
  const size = f32x4.abs(x);
  const one = f32x4.splat(1);
  const e = exp4(f32x4.add(size, size));
  const far = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(e, one)));
  const z = f32x4.mul(size, size);
  let p = f32x4.splat(-5.70498872745e-3);
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(2.06390887954e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-5.37397155531e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.33314422036e-1));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-3.33332819422e-1));
  const near = f32x4.add(f32x4.mul(f32x4.mul(p, z), size), size);
  const value = v128.bitselect(near, far, f32x4.lt(size, f32x4.splat(0.625)));
  return v128.or(value, v128.and(x, f32x4.splat(-0.0)));
}

/** Activations by number: 1 relu, 2 sigmoid, 3 tanh, 4 hard sigmoid, 5 elu, 6 relu6. */
// @ts-ignore: decorator
@inline
export function activate4(kind: i32, x: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  if (kind == 1) return f32x4.max(x, zero);
  if (kind == 2) return sigmoid4(x);
  if (kind == 3) return tanh4(x);
  if (kind == 4) {
    return f32x4.min(f32x4.max(f32x4.add(f32x4.mul(x, f32x4.splat(0.2)), f32x4.splat(0.5)), zero), one);
  }
  if (kind == 5) return v128.bitselect(x, f32x4.sub(exp4(f32x4.min(x, zero)), one), f32x4.ge(x, zero));
  if (kind == 6) return f32x4.min(f32x4.max(x, zero), f32x4.splat(6));
  return x;
}

/** The activation's slope, from its value. */
// @ts-ignore: decorator
@inline
export function slope4(kind: i32, y: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  if (kind == 1) return v128.and(f32x4.gt(y, zero), one);
  if (kind == 2) return f32x4.mul(y, f32x4.sub(one, y));
  if (kind == 3) return f32x4.sub(one, f32x4.mul(y, y));
  if (kind == 4) return v128.and(v128.and(f32x4.gt(y, zero), f32x4.lt(y, one)), f32x4.splat(0.2));
  if (kind == 5) return v128.bitselect(one, f32x4.add(y, one), f32x4.gt(y, zero));
  if (kind == 6) return v128.and(v128.and(f32x4.gt(y, zero), f32x4.lt(y, f32x4.splat(6))), one);
  return one;
}

/** x = activation(x) */
export function activate(kind: i32, x: usize, count: i32): void {
  x <<= 2;
  for (let left = count; left > 0; left -= 4) {
    storePart(x, activate4(kind, loadPart(x, left)), left);
    x += 16;
  }
}

/** dy = dy · slope(y) */
export function activateGradient(kind: i32, y: usize, dy: usize, count: i32): void {
  y <<= 2;
  dy <<= 2;
  for (let left = count; left > 0; left -= 4) {
    storePart(dy, f32x4.mul(loadPart(dy, left), slope4(kind, loadPart(y, left))), left);
    y += 16;
    dy += 16;
  }
}

/** to += scale · from */
export function addScaled(to: usize, from: usize, count: i32, scale: f32): void {
  to <<= 2;
  from <<= 2;
  const factor = f32x4.splat(scale);
  for (let left = count; left > 0; left -= 4) {
    storePart(to, f32x4.add(loadPart(to, left), f32x4.mul(loadPart(from, left), factor)), left);
    to += 16;
    from += 16;
  }
}

/** Each row of `to` becomes `row`. */
export function fillRows(to: usize, row: usize, rows: i32, columns: i32): void {
  for (let r = 0; r < rows; r++) {
    memory.copy(to << 2, row << 2, <usize>columns << 2);
    to += columns;
  }
}

/** sums = Σ rows */
export function sumRows(sums: usize, from: usize, rows: i32, columns: i32): void {
  sums <<= 2;
  from <<= 2;
  const next = <usize>columns << 2;
  for (let left = columns; left > 0; left -= 4) {
    let sum = f32x4.splat(0);
    let at = from;
    for (let r = 0; r < rows; r++) {
      sum = f32x4.add(sum, loadPart(at, left));
      at += next;
    }
    storePart(sums, sum, left);
    sums += 16;
    from += 16;
  }
}

// @ts-ignore: decorator
@inline
function sum4(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3);
}

/** Each row becomes a distribution. */
export function softmax(x: usize, rows: i32, columns: i32): void {
  x <<= 2;
  const next = <usize>columns << 2;
  for (let r = 0; r < rows; r++) {
    let most: f32 = load<f32>(x);
    for (let i: usize = 4; i < next; i += 4) most = max(most, load<f32>(x + i));
    let sum: f32 = 0;
    let at = x;
    for (let left = columns; left > 0; left -= 4) {
      const e = exp4(f32x4.sub(loadPart(at, left), f32x4.splat(most)));
      storePart(at, e, left);
      sum += sum4(left >= 4 ? e : loadPart(at, left));
      at += 16;
    }
    at = x;
    const scale = f32x4.splat(1 / sum);
    for (let left = columns; left > 0; left -= 4) {
      storePart(at, f32x4.mul(loadPart(at, left), scale), left);
      at += 16;
    }
    x += next;
  }
}

/** dy = y · (dy − Σ dy·y), row by row */
export function softmaxGradient(y: usize, dy: usize, rows: i32, columns: i32): void {
  y <<= 2;
  dy <<= 2;
  for (let r = 0; r < rows; r++) {
    let sum: f32 = 0;
    for (let i = 0; i < columns; i++) sum += load<f32>(y + (<usize>i << 2)) * load<f32>(dy + (<usize>i << 2));
    const mean = f32x4.splat(sum);
    for (let left = columns; left > 0; left -= 4) {
      storePart(dy, f32x4.mul(loadPart(y, left), f32x4.sub(loadPart(dy, left), mean)), left);
      const lanes = <usize>min(left, 4) << 2;
      y += lanes;
      dy += lanes;
    }
  }
}

/** v = momentum · v + g; p −= rate · v */
export function momentumStep(p: usize, g: usize, v: usize, count: i32, rate: f32, momentum: f32): void {
  p <<= 2;
  g <<= 2;
  v <<= 2;
  for (let left = count; left > 0; left -= 4) {
    const next = f32x4.add(f32x4.mul(loadPart(v, left), f32x4.splat(momentum)), loadPart(g, left));
    storePart(v, next, left);
    storePart(p, f32x4.sub(loadPart(p, left), f32x4.mul(next, f32x4.splat(rate))), left);
    p += 16;
    g += 16;
    v += 16;
  }
}

/** Kingma and Ba, Adam (2015), algorithm 1. `first` and `second` are 1 − βᵗ. */
export function adamStep(p: usize, g: usize, m: usize, v: usize, count: i32, rate: f32, beta1: f32, beta2: f32, epsilon: f32, first: f32, second: f32): void {
  p <<= 2;
  g <<= 2;
  m <<= 2;
  v <<= 2;
  const rest1 = f32x4.splat(1 - beta1);
  const rest2 = f32x4.splat(1 - beta2);
  for (let left = count; left > 0; left -= 4) {
    const gradient = loadPart(g, left);
    const mean = f32x4.add(f32x4.mul(loadPart(m, left), f32x4.splat(beta1)), f32x4.mul(gradient, rest1));
    const square = f32x4.mul(f32x4.mul(gradient, gradient), rest2);
    const spread = f32x4.add(f32x4.mul(loadPart(v, left), f32x4.splat(beta2)), square);
    storePart(m, mean, left);
    storePart(v, spread, left);
    const root = f32x4.add(f32x4.sqrt(f32x4.div(spread, f32x4.splat(second))), f32x4.splat(epsilon));
    const step = f32x4.mul(f32x4.div(f32x4.div(mean, f32x4.splat(first)), root), f32x4.splat(rate));
    storePart(p, f32x4.sub(loadPart(p, left), step), left);
    p += 16;
    g += 16;
    m += 16;
    v += 16;
  }
}

/** Row i of `to` becomes row ids[i] of `table`; ids are floats. */
export function gatherRows(to: usize, table: usize, ids: usize, count: i32, width: i32): void {
  for (let i = 0; i < count; i++) {
    const id = <usize>load<f32>((ids + i) << 2);
    memory.copy((to + i * width) << 2, (table + id * width) << 2, <usize>width << 2);
  }
}

/** Row ids[i] of `table` += scale · row i of `from` */
export function scatterRows(table: usize, from: usize, ids: usize, count: i32, width: i32, scale: f32): void {
  for (let i = 0; i < count; i++) {
    const id = <usize>load<f32>((ids + i) << 2);
    addScaled(table + id * width, from + i * width, width, scale);
  }
}
