import fc from "fast-check";
import t from "tap";
import {
  centre,
  packedLength,
  packResidues,
  requirePacked,
  unpackResidues,
} from "../../../src/secagg/masking/packing.js";

t.test("residues are packed least significant bit first, without gaps", async (t) => {
  t.strictSame([...packResidues(Uint32Array.of(0xabcde, 0x12345), 20)], [0xde, 0xbc, 0x5a, 0x34, 0x12]);
  t.strictSame([...packResidues(Uint32Array.of(1, 0, 1, 1, 0, 0, 0, 0, 1), 1)], [0b1101, 1]);
  t.strictSame([...packResidues(Uint32Array.of(0x01020304), 32)], [4, 3, 2, 1]);
  t.equal(packedLength(1_000_000, 18), 2_250_000);
});

t.test("unpacking undoes packing at every width", async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 32 }),
      fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { maxLength: 70 }),
      (bits, values) => {
        const residues = Uint32Array.from(values, (value) => value % 2 ** bits);
        const packed = packResidues(Uint32Array.from(values), bits);
        requirePacked(packed, residues.length, bits);
        return unpackResidues(packed, residues.length, bits).every((value, i) => value === residues[i]);
      },
    ),
    { seed: 20_206, numRuns: 1000 },
  );
});

t.test("a vector of the wrong length, or with bits after its end, is refused", async (t) => {
  const packed = packResidues(Uint32Array.of(1, 2, 3), 18);
  t.throws(() => requirePacked(packed, 4, 18), { code: "WRONG_LENGTH" });
  t.throws(() => requirePacked(packed.subarray(1), 3, 18), { code: "WRONG_LENGTH" });
  packed[6] = 0x40;
  t.throws(() => requirePacked(packed, 3, 18), { code: "MALFORMED" });
});

t.test("residues are centred around 0", async (t) => {
  t.strictSame([...centre(Uint32Array.of(0, 1, 127, 128, 255), 8)], [0, 1, 127, -128, -1]);
  t.strictSame([...centre(Uint32Array.of(0x8000_0000, 0xffff_ffff, 5), 32)], [-2_147_483_648, -1, 5]);
});
