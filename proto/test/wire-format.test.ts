import { isDeepStrictEqual } from "node:util";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import * as fc from "fast-check";
import t from "tap";
import { WireReader, WireType, WireWriter } from "../src/wire-format.js";

const MAX_UINT64 = 2n ** 64n - 1n;
const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: MAX_UINT64 }),
  fc.nat({ max: 63 }).map((bit) => 2n ** BigInt(bit)),
  fc.nat({ max: 63 }).map((bit) => 2n ** BigInt(bit) - 1n),
);
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

t.test("what is written is what protobuf-es writes, and reads back", async (t) => {
  fc.assert(
    fc.property(uint64, uint32, int32, fc.boolean(), fc.uint8Array(), (big, small, signed, flag, bytes) => {
      const ours = new WireWriter()
        .tag(1, 0)
        .uint64(big)
        .tag(2 ** 28, 0)
        .uint32(small)
        .int32(signed)
        .bool(flag);
      const theirs = new BinaryWriter()
        .tag(1, 0)
        .uint64(big)
        .tag(2 ** 28, 0)
        .uint32(small)
        .int32(signed)
        .bool(flag);
      const written = ours.bytes(bytes).string("ü\ufeff").finish();
      if (!Buffer.from(written).equals(theirs.bytes(bytes).string("ü\ufeff").finish())) return false;
      const reader = new WireReader(written);
      return (
        reader.tag()[0] === 1 &&
        reader.uint64() === big &&
        reader.tag()[0] === 2 ** 28 &&
        reader.uint32() === small &&
        reader.int32() === signed &&
        reader.bool() === flag &&
        Buffer.from(reader.bytes()).equals(bytes) &&
        reader.string() === "ü\ufeff" &&
        reader.isAtEnd
      );
    }),
    { seed: 20262, numRuns: 300 },
  );
  const marked = new WireWriter().string("\ufeffx").finish();
  t.equal(new WireReader(marked).string(), "\ufeffx", "a byte order mark is a part of the text");
});

t.test("any varint, of any length, is read as protobuf-es reads it, or refused where it does", async () => {
  const reads = ["uint32", "uint64", "int32", "bool", "tag"] as const;
  const outcome = (read: () => unknown): unknown => {
    try {
      return read();
    } catch {
      return "refused";
    }
  };
  const byte = fc.integer({ min: 0, max: 255 }).map((value) => value | 128);
  const varint = fc.tuple(fc.array(byte, { maxLength: 11 }), fc.integer({ min: 0, max: 127 }));
  fc.assert(
    fc.property(varint, fc.constantFrom(...reads), fc.boolean(), ([head, last], type, isCut) => {
      const bytes = Uint8Array.from(isCut ? head : [...head, last]);
      return isDeepStrictEqual(
        outcome(() => new WireReader(bytes)[type]()),
        outcome(() => new BinaryReader(bytes)[type]()),
      );
    }),
    { seed: 20263, numRuns: 500 },
  );
});

t.test("values that do not fit, and texts that are no UTF-8, are refused", async (t) => {
  for (const value of [-1, 2 ** 32, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => new WireWriter().uint32(value), RangeError);
  for (const value of [-1n, 2n ** 64n]) t.throws(() => new WireWriter().uint64(value), RangeError);
  for (const value of [2 ** 31, -(2 ** 31) - 1, 0.5, Number.NaN])
    t.throws(() => new WireWriter().int32(value), RangeError);
  t.throws(() => new WireReader(Uint8Array.of(1, 0xff)).string());
  t.throws(() => new WireReader(Uint8Array.of(2, 0)).bytes(), RangeError);
});

t.test("unknown values are passed over, groups too; what is cut off or nests without end is refused", async (t) => {
  const skip = (wireType: number, ...bytes: number[]): boolean => {
    const reader = new WireReader(Uint8Array.from(bytes));
    reader.skip(wireType, 1);
    return reader.isAtEnd;
  };
  t.ok(skip(WireType.Varint, 0xff, 1));
  t.ok(skip(WireType.Bit64, 1, 2, 3, 4, 5, 6, 7, 8));
  t.ok(skip(WireType.Bit32, 1, 2, 3, 4));
  t.ok(skip(WireType.LengthDelimited, 2, 1, 2));
  t.ok(skip(WireType.StartGroup, 0x10, 5, 0x1b, 0x1c, 0x0c), "a group with a number and an empty group");
  t.throws(() => skip(WireType.Bit64, 1, 2, 3, 4), RangeError);
  t.throws(() => skip(WireType.Bit32, 1), RangeError);
  t.throws(() => skip(WireType.LengthDelimited, 3, 1), RangeError);
  t.throws(() => skip(WireType.StartGroup, 0x10, 5), RangeError);
  t.throws(() => skip(WireType.StartGroup, 0x1c), "the end of another group");
  t.throws(() => skip(WireType.EndGroup));
  t.throws(() => skip(WireType.StartGroup, ...new Array<number>(100_000).fill(0x0b)), "groups without end");
});
