import fc from "fast-check";
import t from "tap";
import { FourierTransform, mirrorPosition } from "../../src/numerics/fft.js";

function bitReversed(position: number, length: number): number {
  let reversed = 0;
  for (let bit = 1, from = length >> 1; bit < length; bit <<= 1, from >>= 1) {
    if (position & bit) {
      reversed |= from;
    }
  }
  return reversed;
}

t.test("the transform equals its definition, in bit-reversed order", async (t) => {
  for (const length of [2, 4, 8, 16, 32, 128]) {
    const re = Float64Array.from({ length }, (_, j) => Math.sin(j * j + 1));
    const im = Float64Array.from({ length }, (_, j) => Math.cos(3 * j + 2));
    const outRe = re.slice();
    const outIm = im.slice();
    new FourierTransform(length).forward(outRe, outIm);
    let worst = 0;
    for (let position = 0; position < length; position++) {
      const k = bitReversed(position, length);
      let sumRe = 0;
      let sumIm = 0;
      for (let j = 0; j < length; j++) {
        const angle = (-2 * Math.PI * ((j * k) % length)) / length;
        sumRe += (re[j] ?? 0) * Math.cos(angle) - (im[j] ?? 0) * Math.sin(angle);
        sumIm += (re[j] ?? 0) * Math.sin(angle) + (im[j] ?? 0) * Math.cos(angle);
      }
      worst = Math.max(worst, Math.abs(sumRe - (outRe[position] ?? 0)), Math.abs(sumIm - (outIm[position] ?? 0)));
    }
    t.ok(worst < 1e-12, `${length}: ${worst}`);
  }
});

t.test("the inverse undoes the transform", async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })),
      (bits, stream) => {
        const length = 2 ** bits;
        const values = Float64Array.from(stream.take(2 * length));
        const re = values.slice(0, length);
        const im = values.slice(length);
        const transform = new FourierTransform(length);
        transform.forward(re, im);
        transform.inverse(re, im);
        return values.every((value, j) => {
          const back = (j < length ? (re[j] ?? 0) : (im[j - length] ?? 0)) / length;
          return Math.abs(back - value) < 1e-14;
        });
      },
    ),
    { seed: 91, numRuns: 60 },
  );
});

t.test("mirrored positions hold opposite frequencies", async (t) => {
  for (const length of [2, 4, 8, 64, 1024]) {
    for (let position = 0; position < length; position++) {
      const sum = bitReversed(position, length) + bitReversed(mirrorPosition(position), length);
      if (sum % length !== 0) {
        t.fail(`${position} of ${length}`);
      }
    }
  }
});

t.test("lengths that are no power of two are refused", async (t) => {
  for (const length of [0, 1, 3, 12, -4, 2.5]) {
    t.throws(() => new FourierTransform(length), RangeError);
  }
});
