// The wire format of Protocol Buffers (https://protobuf.dev/programming-guides/encoding) as far as the contract uses it. That of
// protobuf-es knows every type, at four times the download; the tests hold both against each other.

/** How a field's value is delimited. */
export const WireType = {
  Varint: 0,
  Bit64: 1,
  LengthDelimited: 2,
  StartGroup: 3,
  EndGroup: 4,
  Bit32: 5,
} as const;

const MAX_UINT32 = 0xffff_ffff;
const MAX_UINT64 = 0xffff_ffff_ffff_ffffn;
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const MAX_VARINT_BYTES = 10;
const MAX_TAG_BYTES = 5;
/** Groups, which the contract has none of, may still come in unknown fields. */
const MAX_GROUP_DEPTH = 100;

const encoder = new TextEncoder();
// A mark at the start is a part of the text, which may be signed.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes fields one after the other. Bytes that are given are taken over, not copied, until `finish`. */
export class WireWriter {
  readonly #parts: Uint8Array[] = [];
  #small: number[] = [];

  tag(number: number, wireType: number): this {
    return this.#varint(number * 8 + wireType);
  }

  /** @throws RangeError when it is none */
  uint32(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > MAX_UINT32) throw outOfRange("uint32", value);
    return this.#varint(value);
  }

  /** @throws RangeError when it is none */
  uint64(value: bigint): this {
    if (value < 0n || value > MAX_UINT64) throw outOfRange("uint64", value);
    return this.#varint(value);
  }

  /** An enum's number. @throws RangeError when it has more than 32 bits */
  int32(value: number): this {
    if ((value | 0) !== value) throw outOfRange("int32", value);
    return this.#varint(value < 0 ? BigInt.asUintN(64, BigInt(value)) : value);
  }

  bool(value: boolean): this {
    return this.#varint(value ? 1 : 0);
  }

  string(value: string): this {
    return this.bytes(encoder.encode(value));
  }

  bytes(value: Uint8Array): this {
    this.uint32(value.length);
    this.#flush();
    this.#parts.push(value);
    return this;
  }

  /** All that was written. */
  finish(): Uint8Array {
    this.#flush();
    const bytes = new Uint8Array(this.#parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  #varint(value: number | bigint): this {
    let rest = value;
    for (; typeof rest === "bigint" && rest > MAX_SAFE; rest >>= 7n) this.#small.push(Number(rest & 127n) | 128);
    let small = Number(rest);
    for (; small > 127; small = Math.floor(small / 128)) this.#small.push((small % 128) | 128);
    this.#small.push(small);
    return this;
  }

  #flush(): void {
    if (this.#small.length === 0) return;
    this.#parts.push(new Uint8Array(this.#small));
    this.#small = [];
  }
}

/** Reads fields one after the other. Bytes that it gives are views of those that it reads. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** The lower and upper half of the last varint. */
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** @throws Error when there is none */
  tag(): [number: number, wireType: number] {
    const start = this.#at;
    this.#varint();
    const number = this.#low >>> 3;
    const wireType = this.#low & 7;
    if (this.#high !== 0 || this.#at - start > MAX_TAG_BYTES || number === 0 || wireType > WireType.Bit32)
      throw new Error(`expected a field, came number ${number} of wire type ${wireType}`);
    return [number, wireType];
  }

  uint32(): number {
    this.#varint();
    return this.#low >>> 0;
  }

  uint64(): bigint {
    this.#varint();
    const low = BigInt(this.#low >>> 0);
    return this.#high === 0 ? low : (BigInt(this.#high >>> 0) << 32n) | low;
  }

  int32(): number {
    this.#varint();
    return this.#low;
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  /** @throws Error when it is not UTF-8 */
  string(): string {
    return decoder.decode(this.bytes());
  }

  bytes(): Uint8Array {
    return this.#take(this.uint32());
  }

  /** Passes over a field's value. @throws Error when there is none */
  skip(wireType: number, number: number, depth = 0): void {
    switch (wireType) {
      case WireType.Varint:
        this.#varint();
        break;
      case WireType.Bit64:
        this.#take(8);
        break;
      case WireType.LengthDelimited:
        this.bytes();
        break;
      case WireType.Bit32:
        this.#take(4);
        break;
      default:
        this.#skipGroup(wireType, number, depth);
    }
  }

  #skipGroup(wireType: number, number: number, depth: number): void {
    if (wireType !== WireType.StartGroup || depth === MAX_GROUP_DEPTH)
      throw new Error(`expected a field's value, came wire type ${wireType}`);
    for (;;) {
      const [inner, type] = this.tag();
      if (type !== WireType.EndGroup) this.skip(type, inner, depth + 1);
      else if (inner === number) return;
      else throw new Error(`expected the end of the group ${number}, came that of ${inner}`);
    }
  }

  #take(length: number): Uint8Array {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw cutOff();
    return this.#bytes.subarray(start, this.#at);
  }

  #varint(): void {
    this.#low = 0;
    this.#high = 0;
    for (let at = 0; at < MAX_VARINT_BYTES; at++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw cutOff();
      const bits = byte & 127;
      if (at < 5) this.#low |= bits << (7 * at);
      // Of the fifth group of seven bits four belong to the lower half.
      if (at === 4) this.#high = bits >> 4;
      if (at > 4) this.#high |= bits << (7 * at - 32);
      if (byte < 128) return;
    }
    throw new Error(`expected a varint of at most ${MAX_VARINT_BYTES} bytes`);
  }
}

function cutOff(): Error {
  return new RangeError("expected a whole message, it is cut off");
}

function outOfRange(type: string, value: number | bigint): Error {
  return new RangeError(`expected a ${type}, came ${value}`);
}
