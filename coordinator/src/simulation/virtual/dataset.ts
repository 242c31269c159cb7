import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { CoordinatorError } from "../../errors.js";
import type { WrittenSimulation } from "../../plan/simulation-schema.js";
import { SeededRandom } from "../seeded-random.js";

/** Rows and their classes, in memory that worker threads share. */
export interface LabelledData {
  /** Row after row; a feature is its value over `divisor`. */
  readonly features: Uint8Array | Float32Array;
  readonly divisor: number;
  readonly width: number;
  readonly labels: Uint8Array;
  readonly classes: number;
}

export interface Dataset {
  readonly train: LabelledData;
  readonly test: LabelledData;
}

/**
 * @throws CoordinatorError FILE_UNREADABLE, BAD_DATA
 */
export async function loadDataset(data: WrittenSimulation["data"], seed: number): Promise<Dataset> {
  if (data.type === "synthetic") return synthetic(data, seed);
  const [train, test] = await Promise.all([images(data.folder, "train"), images(data.folder, "t10k")]);
  return { train, test };
}

const IMAGES_MAGIC = 2_051;
const LABELS_MAGIC = 2_049;
const FASHION_CLASSES = 10;
const MOST_BYTES = 512 << 20;

/** IDX files as in MNIST (LeCun, Cortes and Burges), gzipped: a magic number, extents and bytes, all big endian. */
async function images(folder: string, name: "train" | "t10k"): Promise<LabelledData> {
  const pixels = await readIdx(join(folder, `${name}-images-idx3-ubyte.gz`), IMAGES_MAGIC, 3);
  const classes = await readIdx(join(folder, `${name}-labels-idx1-ubyte.gz`), LABELS_MAGIC, 1);
  const [count = 0, rows = 0, columns = 0] = pixels.extents;
  if (classes.extents[0] !== count || classes.bytes.some((label) => label >= FASHION_CLASSES)) {
    throw new CoordinatorError("BAD_DATA", `expected ${count} labels from 0 to 9 beside as many images in ${folder}`);
  }
  return {
    features: shared(pixels.bytes),
    divisor: 255,
    width: rows * columns,
    labels: shared(classes.bytes),
    classes: FASHION_CLASSES,
  };
}

async function readIdx(
  path: string,
  magic: number,
  dimensions: number,
): Promise<{ readonly extents: readonly number[]; readonly bytes: Uint8Array }> {
  const file = await readGzip(path);
  const header = 4 * (1 + dimensions);
  const extents = Array.from({ length: dimensions }, (_, i) =>
    file.length < header ? 0 : file.readUInt32BE(4 + 4 * i),
  );
  const size = extents.reduce((product, extent) => product * extent, 1);
  if (file.length < header || file.readUInt32BE(0) !== magic || file.length !== header + size) {
    throw new CoordinatorError("BAD_DATA", `expected an IDX file of ${dimensions} dimensions in ${path}, came another`);
  }
  return { extents, bytes: file.subarray(header) };
}

async function readGzip(path: string): Promise<Buffer> {
  try {
    return await promisify(gunzip)(await readFile(path), { maxOutputLength: MOST_BYTES });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CoordinatorError(
      "FILE_UNREADABLE",
      `expected Fashion-MNIST in ${path}, came "${reason}"; on Debian: apt-get install dataset-fashion-mnist`,
      { cause },
    );
  }
}

/** Part of synthetic examples that nobody trains on. */
const TEST_SHARE = 0.2;

/** Clouds of unit variance around one random point for each class, whose distance from the middle is about `separation`. */
function synthetic(
  {
    classes,
    features: width,
    examples,
    separation,
  }: Extract<WrittenSimulation["data"], { readonly type: "synthetic" }>,
  seed: number,
): Dataset {
  const random = new SeededRandom(seed, ["synthetic"]);
  const scale = separation / Math.sqrt(width);
  const centres = Float32Array.from({ length: classes * width }, () => scale * random.normal());
  const make = (count: number): LabelledData => {
    const labels = new Uint8Array(new SharedArrayBuffer(count));
    const features = new Float32Array(new SharedArrayBuffer(4 * count * width));
    for (let row = 0; row < count; row++) {
      const label = row % classes;
      labels[row] = label;
      for (let j = 0; j < width; j++) {
        features[row * width + j] = (centres[label * width + j] ?? 0) + random.normal() / Math.sqrt(width);
      }
    }
    return { features, divisor: 1, width, labels, classes };
  };
  const held = Math.max(Math.round(examples * TEST_SHARE), classes);
  return { train: make(examples), test: make(held) };
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
