/**
 * Reading of models: safetensors files of 32-bit floats whose tensors follow one another without gaps.
 *
 * Format: https://github.com/huggingface/safetensors#format
 */
import * as z from "zod/mini";
import { ClientError } from "../errors.js";

/** A tensor of a model. Its place in the flat parameters follows from those before it. */
export interface TensorShape {
  readonly name: string;
  /** Dimensions; none for a scalar. */
  readonly shape: readonly number[];
}

/** A model: one flat vector of parameters and what its parts are called. */
export interface Model {
  readonly manifest: readonly TensorShape[];
  /** Row-major, tensor after tensor. */
  readonly parameters: Float32Array;
}

const LENGTH_BYTES = 8;
const FLOAT_BYTES = 4;
const MAX_HEADER_BYTES = 1 << 20;
const MAX_NAME_LENGTH = 256;

const count = z.int().check(z.minimum(0));
const metadata = z.catchall(z.object({}), z.string());
const tensor = z.strictObject({
  dtype: z.literal("F32"),
  shape: z.array(count).check(z.maxLength(8)),
  data_offsets: z.array(count).check(z.minLength(2), z.maxLength(2)),
});
const header = z.catchall(z.object({ __metadata__: z.exactOptional(metadata) }), tensor);

function bad(message: string, cause?: unknown): ClientError {
  return new ClientError("BAD_MODEL", `expected a safetensors file of 32-bit floats, ${message}`, { cause });
}

interface PlacedTensor extends TensorShape {
  readonly start: number;
  readonly end: number;
}

function parseHeader(bytes: Uint8Array): PlacedTensor[] {
  let named: Readonly<Record<string, z.infer<typeof tensor>>>;
  try {
    const { __metadata__: _, ...rest } = header.parse(
      JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)),
    );
    named = rest;
  } catch (cause) {
    throw bad("came a header that does not describe one", cause);
  }
  const tensors: PlacedTensor[] = [];
  for (const [name, value] of Object.entries(named)) {
    if (name === "" || name.length > MAX_NAME_LENGTH) throw bad(`came a name of ${name.length} characters`);
    const [start = 0, end = 0] = value.data_offsets;
    const size = value.shape.reduce((product, extent) => product * extent, FLOAT_BYTES);
    if (end - start !== size) throw bad(`came a tensor of shape [${value.shape.join(", ")}] in ${end - start} bytes`);
    tensors.push({ name, shape: value.shape, start, end });
  }
  // An empty tensor shares its start with the next one: by end, they are in order.
  return tensors.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** Every platform that runs this is little-endian but some; there each float is turned round. */
function floatsOf(bytes: Uint8Array): Float32Array {
  const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  if (littleEndian && bytes.byteOffset % FLOAT_BYTES === 0) {
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / FLOAT_BYTES);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength / FLOAT_BYTES }, (_, i) =>
    view.getFloat32(FLOAT_BYTES * i, true),
  );
}

/**
 * Reads a model.
 *
 * @param bytes the file; the parameters are a view of it when it is aligned, so it must not be changed after
 * @param parameters how many parameters the plan says it has; any number where no plan speaks
 * @throws ClientError BAD_MODEL
 */
export function readModel(bytes: Uint8Array, parameters?: number): Model {
  if (bytes.length < LENGTH_BYTES) throw bad(`came ${bytes.length} bytes`);
  const headerBytes = Number(new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES || LENGTH_BYTES + headerBytes > bytes.length) {
    throw bad(`came one whose header would have ${headerBytes} bytes`);
  }
  const tensors = parseHeader(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + headerBytes));
  const data = bytes.subarray(LENGTH_BYTES + headerBytes);
  let place = 0;
  for (const { start, end } of tensors) {
    if (start !== place) throw bad(`came a gap or an overlap at byte ${place} of the tensors`);
    place = end;
  }
  if (place !== data.length) throw bad(`came tensors of ${place} bytes in ${data.length}`);
  if (parameters !== undefined && place !== parameters * FLOAT_BYTES)
    throw bad(`came ${place / FLOAT_BYTES} parameters where ${parameters} are due`);
  return { manifest: tensors.map(({ name, shape }) => ({ name, shape })), parameters: floatsOf(data) };
}
