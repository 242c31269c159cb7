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

/** Searches for many needles in one pass: the first four bytes at each place are looked up. */
export class NeedleSearch {
  readonly size: number;
  readonly #byPrefix = new Map<number, Needle[]>();
  readonly #filter = new Uint8Array(2 ** 22);

  /** Needles that are too short to mean anything are left out. */
  constructor(needles: Iterable<Needle>) {
    let size = 0;
    for (const needle of needles) {
      if (needle.bytes.length < SHORTEST) continue;
      size += 1;
      const prefix = Buffer.from(needle.bytes).readUInt32LE();
      const same = this.#byPrefix.get(prefix);
      if (same === undefined) this.#byPrefix.set(prefix, [needle]);
      else same.push(needle);
      this.#filter[place(prefix)] = 1;
    }
    this.size = size;
  }

  /** Names of the needles that are in there. */
  in(hay: Uint8Array): Set<string> {
    const found = new Set<string>();
    let word = 0;
    for (let end = 0; end < hay.length; end++) {
      word = (word >>> 8) | ((hay[end] ?? 0) << 24);
      if (end < 3 || this.#filter[place(word >>> 0)] === 0) continue;
      for (const { name, bytes } of this.#byPrefix.get(word >>> 0) ?? []) {
        if (startsWith(hay, end - 3, bytes)) found.add(name);
      }
    }
    return found;
  }
}

function place(prefix: number): number {
  return Math.imul(prefix, 0x9e3779b1) >>> 10;
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
