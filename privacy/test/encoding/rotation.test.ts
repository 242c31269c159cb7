import { createHash } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { paddedDimension, rotate, rotationSigns, unrotate } from "../../src/index.js";

const SEED: Uint8Array = Uint8Array.from({ length: 32 }, (_, i) => i);

t.test("rotating keeps norms and rotating back restores the vector", async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 11 }),
      fc.infiniteStream(fc.double({ min: -1000, max: 1000, noNaN: true })),
      (bits, stream) => {
        const values = Float64Array.from(stream.take(2 ** bits));
        const signs = rotationSigns(SEED, values.length);
        const rotated = values.slice();
        rotate(rotated, signs);
        const norm = (vector: Float64Array): number => Math.hypot(...vector);
        const same = Math.abs(norm(rotated) - norm(values)) <= 1e-12 * norm(values);
        unrotate(rotated, signs);
        return same && rotated.every((value, i) => Math.abs(value - (values[i] ?? 0)) < 1e-9);
      },
    ),
    { seed: 401, numRuns: 100 },
  );
});

t.test("the transform is the Walsh–Hadamard matrix over √d", async (t) => {
  for (const length of [1, 2, 4, 8, 32]) {
    const signs = rotationSigns(SEED, length);
    for (let column = 0; column < length; column++) {
      const unit = new Float64Array(length);
      unit[column] = 1;
      rotate(unit, signs);
      unit.forEach((value, row) => {
        let common = row & column;
        let parity = 0;
        for (; common > 0; common >>= 1) {
          parity ^= common & 1;
        }
        const expected = ((parity === 1 ? -1 : 1) * (signs[column] ?? 0)) / Math.sqrt(length);
        if (Math.abs(value - expected) > 1e-15) {
          t.fail(`${length}: entry ${row}, ${column}`);
        }
      });
    }
  }
});

t.test("a spike is spread evenly", async (t) => {
  const values = new Float64Array(1024);
  values[77] = 32;
  rotate(values, rotationSigns(SEED, 1024));
  t.ok(values.every((value) => Math.abs(Math.abs(value) - 1) < 1e-12));
});

t.test("signs are bits of SHA-256 over domain, seed and counter", async (t) => {
  const signs = rotationSigns(SEED, 600);
  for (const block of [0, 1, 2]) {
    const counter = new Uint8Array(4);
    counter[0] = block;
    const bits = createHash("sha256").update("fedloop/rotation/v1").update(SEED).update(counter).digest();
    for (let i = 256 * block; i < Math.min(600, 256 * (block + 1)); i++) {
      const bit = ((bits[(i % 256) >> 3] ?? 0) >> (i & 7)) & 1;
      if (signs[i] !== (bit === 1 ? -1 : 1)) {
        t.fail(`sign ${i}`);
      }
    }
  }
  t.notSame(
    rotationSigns(SEED, 64),
    rotationSigns(
      SEED.map((byte) => byte ^ 1),
      64,
    ),
  );
});

t.test("signs are balanced", async (t) => {
  const signs = rotationSigns(SEED, 100_000);
  const sum = signs.reduce((total, sign) => total + sign, 0);
  // Standard deviation √100 000 = 316; 5 of them, a false-alarm rate of 6e-7.
  t.ok(Math.abs(sum) < 5 * 316, `${sum}`);
});

t.test("lengths that do not fit are refused", async (t) => {
  t.throws(() => rotate(new Float64Array(3), new Int8Array(3)), { code: "WRONG_LENGTH" });
  t.throws(() => rotate(new Float64Array(4), new Int8Array(2)), { code: "WRONG_LENGTH" });
  t.throws(() => unrotate(new Float64Array(0), new Int8Array(0)), { code: "WRONG_LENGTH" });
  t.throws(() => rotationSigns(new Uint8Array(15), 4), { code: "WRONG_LENGTH" });
  t.same([1, 2, 3, 1000, 1024, 1025].map(paddedDimension), [1, 2, 4, 1024, 1024, 2048]);
});
