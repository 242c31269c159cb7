/**
 * Models as safetensors files, which any machine-learning tool reads. A file is eight bytes of header length (little
 * endian), a JSON header, and the tensors' bytes without gaps.
 *
 * Format: https://github.com/huggingface/safetensors#format
 */
import * as z from "zod";
import { CoordinatorError } from "../errors.js";
import { duplicateKey } from "./duplicate-key.js";

/** A tensor of a model: its place in the flat parameters follows from the shapes before it. */
export interface TensorShape {
  readonly name: string;
  /** Dimensions; none for a scalar. */
  readonly shape: readonly number[];
}

/** A model: one flat vector of parameters, and what its parts are called. */
export interface TensorFile {
  readonly tensors: readonly TensorShape[];
  /** Row-major, tensor after tensor. */
  readonly parameters: Float32Array;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a reader is willing to take in. */
export interface SafetensorsLimits {
  readonly maxHeaderBytes: number;
  readonly maxTensors: number;
}

const LIMITS: SafetensorsLimits = { maxHeaderBytes: 1 << 20, maxTensors: 10_000 };

const LENGTH_BYTES = 8;
const FLOAT_BYTES = 4;
/** Tensors start at a multiple of this, so that a reader can map them; the header is filled up with spaces. */
const ALIGNMENT = 8;
/** What this writer and reader call a name; the format itself has no rule. */
const MAX_NAME_LENGTH = 256;

const dimension = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const tensorHeader = z.strictObject({
  dtype: z.literal("F32", { error: "only 32-bit floats (F32) are read" }),
  shape: z.array(dimension).max(8),
  data_offsets: z.tuple([dimension, dimension]),
});
const metadataHeader = z.record(z.string(), z.string());

function bad(message: string, cause?: unknown): CoordinatorError {
  return new CoordinatorError("BAD_TENSORS", `expected a safetensors file of 32-bit floats, ${message}`, { cause });
}

/** Exponent bits of a 32-bit float: all of them are set in infinities and NaN, and in nothing else (IEEE 754 §3.4). */
const EXPONENT = 0x7f800000;

/** Whether every value is finite; on the bits, which is ten times as fast as asking each number. */
function allFinite(values: Float32Array): boolean {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) {
    if (((words[i] ?? 0) & EXPONENT) === EXPONENT) return false;
  }
  return true;
}

/** Number of parameters in a tensor of this shape; 1 for a scalar. */
export function shapeSize(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Number of parameters in all tensors together. */
export function parameterCount(tensors: readonly TensorShape[]): number {
  return tensors.reduce((sum, { shape }) => sum + shapeSize(shape), 0);
}

/**
 * Writes a model. The same model gives the same bytes: names keep their order, metadata is sorted.
 *
 * @throws CoordinatorError BAD_TENSORS when shapes and parameters disagree, a name is empty, too long or used twice,
 * or a parameter is not finite (the message does not say its value)
 */
export function encodeSafetensors(file: TensorFile): Uint8Array<ArrayBuffer> {
  const { tensors, parameters, metadata } = file;
  const expected = parameterCount(tensors);
  if (expected !== parameters.length) {
    throw bad(`came shapes for ${expected} parameters with ${parameters.length} parameters`);
  }
  if (!allFinite(parameters)) throw bad("came a parameter that is not finite; do not keep this model");
  const header = new Map<string, unknown>();
  const sortedMetadata = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (sortedMetadata.length > 0) header.set("__metadata__", Object.fromEntries(sortedMetadata));
  let offset = 0;
  for (const { name, shape } of tensors) {
    if (name === "" || name.length > MAX_NAME_LENGTH || name.startsWith("__") || header.has(name)) {
      throw bad(
        `came "${name.slice(0, 80)}" as the name of a tensor: names are 1 to ${MAX_NAME_LENGTH} characters, unique, and do not start with "__"`,
      );
    }
    const end = offset + shapeSize(shape) * FLOAT_BYTES;
    header.set(name, { dtype: "F32", shape, data_offsets: [offset, end] });
    offset = end;
  }
  // Object.fromEntries would put names like "0" first; the offsets tell the order in any case.
  const json = `{${[...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
  const text = new TextEncoder().encode(json);
  const headerBytes = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(text, LENGTH_BYTES);
  bytes.fill(0x20, LENGTH_BYTES + text.length, LENGTH_BYTES + headerBytes);
  bytes.set(
    new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength),
    LENGTH_BYTES + headerBytes,
  );
  return bytes;
}

interface PlacedTensor extends TensorShape {
  readonly start: number;
  readonly end: number;
}

function parseHeader(
  text: string,
  limits: SafetensorsLimits,
): Pick<TensorFile, "metadata"> & { tensors: PlacedTensor[] } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw bad("came a header that is not JSON", cause);
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) throw bad(`came a header that names "${twice.slice(0, 80)}" twice`);
  if (typeof header !== "object" || header === null || Array.isArray(header))
    throw bad("came a header that is no object");
  const entries = Object.entries(header);
  if (entries.length > limits.maxTensors)
    throw bad(`came ${entries.length} tensors, at most ${limits.maxTensors} are read`);
  let metadata: Readonly<Record<string, string>> = {};
  const tensors: PlacedTensor[] = [];
  for (const [name, value] of entries) {
    const where = `"${name.slice(0, 80)}"`;
    if (name === "__metadata__") {
      const parsed = metadataHeader.safeParse(value);
      if (!parsed.success) throw bad("came metadata that does not map strings to strings", parsed.error);
      metadata = parsed.data;
      continue;
    }
    if (name === "" || name.length > MAX_NAME_LENGTH) throw bad(`came a name of ${name.length} characters`);
    const parsed = tensorHeader.safeParse(value);
    if (!parsed.success) {
      throw bad(`came ${where} with ${parsed.error.issues[0]?.message ?? "an error"}`, parsed.error);
    }
    const { shape, data_offsets } = parsed.data;
    const [start, end] = data_offsets;
    const size = shapeSize(shape) * FLOAT_BYTES;
    if (!Number.isSafeInteger(size) || end - start !== size) {
      throw bad(`came ${where} of shape [${shape.join(", ")}] in ${end - start} bytes`);
    }
    tensors.push({ name, shape, start, end });
  }
  // An empty tensor shares its start with the next one: by end, they are in order.
  tensors.sort((a, b) => a.start - b.start || a.end - b.end);
  return { metadata, tensors };
}

/**
 * Reads a model. Strict: every byte of the file belongs to exactly one tensor, no name occurs twice, every value is
 * finite.
 *
 * @returns parameters that share memory with `bytes` where its alignment allows
 * @throws CoordinatorError BAD_TENSORS
 */
export function decodeSafetensors(bytes: Uint8Array, limits: SafetensorsLimits = LIMITS): TensorFile {
  if (bytes.length < LENGTH_BYTES) throw bad(`came ${bytes.length} bytes`);
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (headerBytes > BigInt(Math.min(limits.maxHeaderBytes, bytes.length - LENGTH_BYTES))) {
    throw bad(
      `came a header of ${headerBytes} bytes in a file of ${bytes.length}; headers may have ${limits.maxHeaderBytes}`,
    );
  }
  const dataStart = LENGTH_BYTES + Number(headerBytes);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(LENGTH_BYTES, dataStart));
  } catch (cause) {
    throw bad("came a header that is not UTF-8", cause);
  }
  if (!text.startsWith("{")) throw bad("came a header that does not start with {");
  const { metadata, tensors } = parseHeader(text, limits);
  let end = 0;
  for (const tensor of tensors) {
    if (tensor.start !== end) throw bad(`came a gap or an overlap before "${tensor.name.slice(0, 80)}"`);
    end = tensor.end;
  }
  if (end !== bytes.length - dataStart)
    throw bad(`came ${bytes.length - dataStart} bytes of data for ${end} in the header`);
  const data = bytes.subarray(dataStart);
  const parameters =
    data.byteOffset % FLOAT_BYTES === 0
      ? new Float32Array(data.buffer, data.byteOffset, end / FLOAT_BYTES)
      : new Float32Array(Uint8Array.from(data).buffer);
  if (!allFinite(parameters)) throw bad("came a parameter that is not finite");
  return { metadata, parameters, tensors: tensors.map(({ name, shape }) => ({ name, shape })) };
}
