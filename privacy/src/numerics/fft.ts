/**
 * Discrete Fourier transforms of one length, in place on separate real and imaginary parts. The forward transform
 * leaves the spectrum in bit-reversed order and the inverse expects it so: a convolution never needs the natural one.
 * Radix-4 passes with one radix-2 pass where the length asks for it (Gentleman and Sande 1966; Cooley and Tukey 1965).
 */
export class FourierTransform {
  readonly length: number;
  /** For each radix-4 pass, largest first: its size, and [cos, sin] of ω^j, ω^2j, ω^3j one after the other, ω = e^(2πi/size). */
  readonly #passes: readonly (readonly [size: number, twiddles: Float64Array])[];

  /** @param length a power of two, at least 2 */
  constructor(length: number) {
    if (!(length >= 2 && Number.isInteger(Math.log2(length)))) {
      throw new RangeError("a transform's length must be a power of two");
    }
    this.length = length;
    const passes: [number, Float64Array][] = [];
    for (let size = length; size >= 4; size >>= 2) {
      passes.push([size, twiddlesOf(size, passes.at(-1)?.[1])]);
    }
    this.#passes = passes;
  }

  /** Σ x[j]·exp(−2πi·jk/n) for all k, in bit-reversed order of k. */
  forward(re: Float64Array, im: Float64Array): void {
    for (const [size, twiddles] of this.#passes) {
      for (let start = 0; start < this.length; start += size) {
        forwardBlock(re, im, start, size >> 2, twiddles);
      }
    }
    if (this.#oddPass) {
      butterflies(re, im);
    }
  }

  /** Undoes `forward`, without the factor 1/n. */
  inverse(re: Float64Array, im: Float64Array): void {
    if (this.#oddPass) {
      butterflies(re, im);
    }
    for (const [size, twiddles] of this.#passes.toReversed()) {
      for (let start = 0; start < this.length; start += size) {
        inverseBlock(re, im, start, size >> 2, twiddles);
      }
    }
  }

  /** A length that is an odd power of two ends in blocks of two. */
  get #oddPass(): boolean {
    return Math.log2(this.length) % 2 === 1;
  }
}

/** Twiddles of a pass; those of the pass four times as large hold them at every fourth place. */
function twiddlesOf(size: number, larger: Float64Array | undefined): Float64Array {
  const quarter = size >> 2;
  const twiddles = new Float64Array(6 * quarter);
  if (larger !== undefined) {
    for (let j = 0; j < quarter; j++) {
      for (let part = 0; part < 6; part++) {
        twiddles[6 * j + part] = larger[24 * j + part] ?? 0;
      }
    }
    return twiddles;
  }
  const [cos, sin] = firstQuadrant(size);
  for (let j = 0; j < quarter; j++) {
    for (let power = 1; power <= 3; power++) {
      // e^(2πik/size) turned back by whole quarters
      const k = power * j;
      const turns = Math.floor(k / quarter);
      const c = cos[k - turns * quarter] ?? 0;
      const s = sin[k - turns * quarter] ?? 0;
      const at = 6 * j + 2 * (power - 1);
      twiddles[at] = turns === 0 ? c : turns === 1 ? -s : -c;
      twiddles[at + 1] = turns === 0 ? s : turns === 1 ? c : -s;
    }
  }
  return twiddles;
}

/** cos and sin of 2πk/n for 0 ≤ k < n/4; angles are at most π/4, where both are accurate to an ulp. */
function firstQuadrant(n: number): readonly [cos: Float64Array, sin: Float64Array] {
  const quarter = n >> 2;
  const cos = new Float64Array(quarter);
  const sin = new Float64Array(quarter);
  for (let k = 0; 2 * k <= quarter; k++) {
    const angle = (2 * Math.PI * k) / n;
    const c = Math.cos(angle);
    const s = Math.sin(angle);
    cos[k] = c;
    sin[k] = s;
    if (k > 0) {
      cos[quarter - k] = s;
      sin[quarter - k] = c;
    }
  }
  return [cos, sin];
}

function forwardBlock(
  re: Float64Array,
  im: Float64Array,
  start: number,
  quarter: number,
  twiddles: Float64Array,
): void {
  for (let j = 0; j < quarter; j++) {
    const a = start + j;
    const b = a + quarter;
    const c = b + quarter;
    const d = c + quarter;
    const at = 6 * j;
    const ar = re[a] ?? 0;
    const ai = im[a] ?? 0;
    const br = re[b] ?? 0;
    const bi = im[b] ?? 0;
    const cr = re[c] ?? 0;
    const ci = im[c] ?? 0;
    const dr = re[d] ?? 0;
    const di = im[d] ?? 0;
    const pr = ar + cr;
    const pi = ai + ci;
    const mr = ar - cr;
    const mi = ai - ci;
    const qr = br + dr;
    const qi = bi + di;
    const or = bi - di;
    const oi = dr - br;
    re[a] = pr + qr;
    im[a] = pi + qi;
    // Bit-reversed order of the four outputs: 0, 2, 1, 3.
    const c2 = twiddles[at + 2] ?? 0;
    const s2 = twiddles[at + 3] ?? 0;
    const ur = pr - qr;
    const ui = pi - qi;
    re[b] = ur * c2 + ui * s2;
    im[b] = ui * c2 - ur * s2;
    const c1 = twiddles[at] ?? 0;
    const s1 = twiddles[at + 1] ?? 0;
    const vr = mr + or;
    const vi = mi + oi;
    re[c] = vr * c1 + vi * s1;
    im[c] = vi * c1 - vr * s1;
    const c3 = twiddles[at + 4] ?? 0;
    const s3 = twiddles[at + 5] ?? 0;
    const wr = mr - or;
    const wi = mi - oi;
    re[d] = wr * c3 + wi * s3;
    im[d] = wi * c3 - wr * s3;
  }
}

function inverseBlock(
  re: Float64Array,
  im: Float64Array,
  start: number,
  quarter: number,
  twiddles: Float64Array,
): void {
  for (let j = 0; j < quarter; j++) {
    const a = start + j;
    const b = a + quarter;
    const c = b + quarter;
    const d = c + quarter;
    const at = 6 * j;
    const c1 = twiddles[at] ?? 0;
    const s1 = twiddles[at + 1] ?? 0;
    const c2 = twiddles[at + 2] ?? 0;
    const s2 = twiddles[at + 3] ?? 0;
    const c3 = twiddles[at + 4] ?? 0;
    const s3 = twiddles[at + 5] ?? 0;
    const ar = re[a] ?? 0;
    const ai = im[a] ?? 0;
    const xr = re[b] ?? 0;
    const xi = im[b] ?? 0;
    const yr = re[c] ?? 0;
    const yi = im[c] ?? 0;
    const zr = re[d] ?? 0;
    const zi = im[d] ?? 0;
    const br = xr * c2 - xi * s2;
    const bi = xi * c2 + xr * s2;
    const cr = yr * c1 - yi * s1;
    const ci = yi * c1 + yr * s1;
    const dr = zr * c3 - zi * s3;
    const di = zi * c3 + zr * s3;
    const pr = ar + br;
    const pi = ai + bi;
    const mr = ar - br;
    const mi = ai - bi;
    const qr = cr + dr;
    const qi = ci + di;
    const or = ci - di;
    const oi = dr - cr;
    re[a] = pr + qr;
    im[a] = pi + qi;
    re[b] = mr - or;
    im[b] = mi - oi;
    re[c] = pr - qr;
    im[c] = pi - qi;
    re[d] = mr + or;
    im[d] = mi + oi;
  }
}

function butterflies(re: Float64Array, im: Float64Array): void {
  for (let a = 0; a < re.length; a += 2) {
    const ar = re[a] ?? 0;
    const ai = im[a] ?? 0;
    const br = re[a + 1] ?? 0;
    const bi = im[a + 1] ?? 0;
    re[a] = ar + br;
    im[a] = ai + bi;
    re[a + 1] = ar - br;
    im[a + 1] = ai - bi;
  }
}

/**
 * Where, in bit-reversed order, the entry for frequency n − k stands when the one for k stands at `position`.
 *
 * @param position from 0 to n − 1
 */
export function mirrorPosition(position: number): number {
  if (position < 2) {
    return position;
  }
  const block = 1 << (31 - Math.clz32(position));
  return 3 * block - 1 - position;
}
