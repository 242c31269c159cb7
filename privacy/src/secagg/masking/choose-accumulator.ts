import { SecAggError } from "../errors.js";
import type { MaskAccumulator } from "./accumulator.js";
import { plainAccumulator } from "./plain-accumulator.js";
import { wasmAccumulator } from "./wasm-accumulator.js";

/** WebAssembly SIMD where the platform has it, else plain JavaScript; the sums are the same. */
export function maskAccumulator(length: number, bits: number): MaskAccumulator {
  try {
    return wasmAccumulator(length, bits);
  } catch (error) {
    if (error instanceof SecAggError && error.code === "CRYPTO_UNAVAILABLE") return plainAccumulator(length, bits);
    throw error;
  }
}
