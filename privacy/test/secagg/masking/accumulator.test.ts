import fc from "fast-check";
import t from "tap";
import {
  type MaskAccumulator,
  PIECE_COORDINATES,
  streamBits,
  streamLength,
} from "../../../src/secagg/masking/accumulator.js";
import { packedLength, packResidues, unpackResidues } from "../../../src/secagg/masking/packing.js";
import { plainAccumulator } from "../../../src/secagg/masking/plain-accumulator.js";
import { wasmAccumulator } from "../../../src/secagg/masking/wasm-accumulator.js";
import { seededBytes } from "../seeded-random.js";

/** What every accumulator must do, against sums of BigInts. */
function compliance(name: string, create: (length: number, bits: number) => MaskAccumulator): void {
  t.test(`${name}: masks, vectors and values are added modulo 2^bits at every width and length`, async (t) => {
    for (let bits = 1; bits <= 32; bits++) {
      for (const length of [1, 7, 8, 9, 64, 1003]) {
        const sum = create(length, bits);
        const plus = seededBytes(`plus ${bits}`, streamLength(length, bits));
        const minus = seededBytes(`minus ${bits}`, streamLength(length, bits));
        const wire = packResidues(new Uint32Array(seededBytes(`wire ${bits}`, 4 * length).buffer), bits);
        const values = new Int32Array(seededBytes(`values ${bits}`, 4 * length).buffer);
        sum.addStream(0, plus, 1);
        sum.addStream(0, minus, -1);
        sum.addPacked(wire);
        sum.addValues(values);
        const width = streamBits(bits);
        const parts = [
          unpackResidues(plus, length, width),
          unpackResidues(minus, length, width),
          unpackResidues(wire, length, bits),
        ];
        const expected = Array.from({ length }, (_, i) => {
          const [p, m, w] = parts.map((part) => BigInt(part[i] ?? 0));
          return Number(BigInt.asUintN(bits, (p ?? 0n) - (m ?? 0n) + (w ?? 0n) + BigInt(values[i] ?? 0)));
        });
        t.strictSame([...sum.finish()], expected, `${bits} bits, ${length} coordinates`);
      }
    }
  });

  t.test(`${name}: pieces of a stream at their places are the stream in one`, async () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 32 }), fc.integer({ min: 0, max: 9 }), (bits, cut) => {
        const length = 75;
        const stream = seededBytes(`pieces ${bits}`, streamLength(length, bits));
        const whole = create(length, bits);
        whole.addStream(0, stream, 1);
        const pieces = create(length, bits);
        const at = cut * streamBits(bits);
        pieces.addStream(cut * 8, stream.subarray(at), 1);
        pieces.addStream(0, stream.subarray(0, at), 1);
        return Buffer.compare(Buffer.from(whole.finishPacked()), Buffer.from(pieces.finishPacked())) === 0;
      }),
      { seed: 20_207, numRuns: 200 },
    );
  });

  t.test(`${name}: a vector longer than a piece survives a round trip`, async (t) => {
    for (const bits of [18, 20, 27]) {
      const length = 2 * PIECE_COORDINATES + 13;
      const packed = packResidues(new Uint32Array(seededBytes(`long ${bits}`, 4 * length).buffer), bits);
      const sum = create(length, bits);
      sum.addPacked(packed);
      const out = sum.finishPacked();
      t.equal(out.length, packedLength(length, bits));
      t.equal(Buffer.compare(Buffer.from(out), Buffer.from(packed)), 0, `${bits} bits`);
    }
  });

  t.test(`${name}: masks added and subtracted leave nothing`, async (t) => {
    const sum = create(5000, 20);
    for (let mask = 0; mask < 300; mask++) sum.addStream(0, seededBytes(mask, streamLength(5000, 20)), 1);
    for (let mask = 299; mask >= 0; mask--) sum.addStream(0, seededBytes(mask, streamLength(5000, 20)), -1);
    t.ok(sum.finish().every((value) => value === 0));
  });

  t.test(`${name}: a finished sum takes nothing more`, async (t) => {
    const sum = create(8, 20);
    sum.finish();
    t.throws(() => sum.finish(), { code: "WRONG_STATE" });
    t.throws(() => sum.addValues(new Int32Array(8)), { code: "WRONG_STATE" });
    t.throws(() => sum.addPacked(new Uint8Array(20)), { code: "WRONG_STATE" });
    t.throws(() => sum.addStream(0, new Uint8Array(20), 1), { code: "WRONG_STATE" });
    const closed = create(8, 20);
    closed.close();
    t.throws(() => closed.finishPacked(), { code: "WRONG_STATE" });
  });
}

compliance("plain JavaScript", plainAccumulator);
compliance("WebAssembly SIMD", wasmAccumulator);
