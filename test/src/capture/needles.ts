/** Bytes that must not be found, and what it would mean if they were. */
export interface Needle {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Needles shorter than this would be found by chance: of eight bytes, one in 10^8 runs over a gigabyte with a hundred
 * thousand needles.
 */
const SHORTEST = 8;

/** Where in a needle to look: past a sign, "0." and the zeroes that small numbers begin with. */
const LOOKED_UP_AT = 6;

const HASH_BITS = 32;
const FILTER_BITS = 24;

/** A needle, and the place in it of the eight bytes that it is looked up by. */
interface Indexed extends Needle {
  readonly offset: number;
}

/**
 * Searches for many needles in one pass: the last eight bytes at each place are looked up.
 *
 * A needle is known by eight bytes that are not its first, where there are more: a hundred thousand numbers as text
 * begin with the same digits.
 */
export class NeedleSearch {
  readonly size: number;
  readonly #byWindow = new Map<number, Indexed[]>();
  /** One bit for each value of a hash's upper bits: small enough to stay near the processor. */
  readonly #filter = new Uint32Array(2 ** (FILTER_BITS - 5));

  /** Needles that are too short to mean anything are left out. */
  constructor(needles: Iterable<Needle>) {
    let size = 0;
    for (const { name, bytes } of needles) {
      if (bytes.length < SHORTEST) continue;
      size += 1;
      const offset = Math.min(LOOKED_UP_AT, bytes.length - SHORTEST);
      const view = new DataView(bytes.buffer, bytes.byteOffset + offset, SHORTEST);
      const hash = hashOf(view.getInt32(0, true), view.getInt32(4, true));
      const same = this.#byWindow.get(hash);
      if (same === undefined) this.#byWindow.set(hash, [{ name, bytes, offset }]);
      else same.push({ name, bytes, offset });
      const word = hash >>> (HASH_BITS - FILTER_BITS + 5);
      this.#filter[word] = (this.#filter[word] ?? 0) | (1 << (hash >>> (HASH_BITS - FILTER_BITS)));
    }
    this.size = size;
  }

  /** Names of the needles that are in there. */
  in(hay: Uint8Array): Set<string> {
    const found = new Set<string>();
    const filter = this.#filter;
    let [low, high] = [0, 0];
    for (let end = 0; end < hay.length; end++) {
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) | ((hay[end] ?? 0) << 24);
      const hash = hashOf(low, high);
      const bits = filter[hash >>> (HASH_BITS - FILTER_BITS + 5)] ?? 0;
      if ((bits & (1 << (hash >>> (HASH_BITS - FILTER_BITS)))) === 0 || end + 1 < SHORTEST) continue;
      for (const { name, bytes, offset } of this.#byWindow.get(hash) ?? []) {
        if (startsWith(hay, end + 1 - SHORTEST - offset, bytes)) found.add(name);
      }
    }
    return found;
  }
}

/** Of eight bytes as two words. */
function hashOf(low: number, high: number): number {
  return (Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b)) >>> 0;
}

function startsWith(hay: Uint8Array, from: number, needle: Uint8Array): boolean {
  if (from + needle.length > hay.length) return false;
  for (let i = 0; i < needle.length; i++) if (hay[from + i] !== needle[i]) return false;
  return true;
}

/** The ways in which numbers are written one after the other: as bytes of several kinds, and as text. */
export function* encodings(name: string, values: readonly number[]): Generator<Needle> {
  const isWhole = values.every(Number.isInteger);
  const binary: [string, Uint8Array][] = [
    ["float32", bytesOf(values, 4, (view, at, value) => view.setFloat32(at, value, true))],
    ["float32 big-endian", bytesOf(values, 4, (view, at, value) => view.setFloat32(at, value))],
    ["float64", bytesOf(values, 8, (view, at, value) => view.setFloat64(at, value, true))],
  ];
  if (isWhole) {
    binary.push(
      ["int32", bytesOf(values, 4, (view, at, value) => view.setInt32(at, value, true))],
      ["int32 big-endian", bytesOf(values, 4, (view, at, value) => view.setInt32(at, value))],
      ["uint16", bytesOf(values, 2, (view, at, value) => view.setUint16(at, value, true))],
      ["varint", varints(values)],
    );
  }
  for (const [kind, bytes] of binary) {
    yield { name: `${name} as ${kind}`, bytes };
    yield { name: `${name} as ${kind} in base64`, bytes: text(trimmed(Buffer.from(bytes).toString("base64"))) };
    yield { name: `${name} as ${kind} in base64url`, bytes: text(trimmed(Buffer.from(bytes).toString("base64url"))) };
    yield { name: `${name} as ${kind} in hex`, bytes: text(Buffer.from(bytes).toString("hex")) };
  }
  yield { name: `${name} as text`, bytes: text(values.join(",")) };
  yield { name: `${name} as spaced text`, bytes: text(values.join(", ")) };
}

function bytesOf(
  values: readonly number[],
  width: number,
  write: (view: DataView, at: number, value: number) => void,
): Uint8Array {
  const bytes = new Uint8Array(width * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    write(view, width * i, value);
  });
  return bytes;
}

function varints(values: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (let value of values) {
    for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
    bytes.push(value);
  }
  return Uint8Array.from(bytes);
}

/** The last characters depend on what follows. */
function trimmed(base64: string): string {
  return base64.replace(/=+$/, "").slice(0, -1);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
