/** A safetensors file of one tensor named "parameters". */
export function modelFile(parameters: Float32Array): Uint8Array {
  const header = { parameters: { dtype: "F32", shape: [parameters.length], data_offsets: [0, parameters.byteLength] } };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerBytes + parameters.byteLength).fill(0x20, 8, 8 + headerBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(text, 8);
  bytes.set(new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength), 8 + headerBytes);
  return bytes;
}
