import * as tf from "@tensorflow/tfjs-core";
import { ClientError } from "../../errors.js";
import { registerGradients } from "./gradients.js";

/** Where TensorFlow.js computes: its native addon for Node, WebAssembly, or plain JavaScript. */
export type TensorflowBackend = "tensorflow" | "wasm" | "cpu";

/** The fastest first. */
const PREFERENCE: readonly TensorflowBackend[] = ["tensorflow", "wasm", "cpu"];

/** Only an app that has installed the addon has it; a variable keeps bundlers from looking for it. */
const NATIVE_ADDON: string = "@tensorflow/tfjs-node";

async function load(backend: TensorflowBackend): Promise<void> {
  switch (backend) {
    case "tensorflow":
      await import(NATIVE_ADDON);
      break;
    case "wasm":
      (await import("./wasm-gradients/register.js")).registerWasmKernels();
      break;
    case "cpu":
      await import("@tensorflow/tfjs-backend-cpu");
      break;
  }
}

/**
 * Starts the first backend that is installed and works, and makes it TensorFlow.js's own.
 *
 * @param preference in which order they are tried
 * @returns the one that runs
 * @throws ClientError BACKEND when none does
 */
export async function startBackend(preference: readonly TensorflowBackend[] = PREFERENCE): Promise<TensorflowBackend> {
  // Else it advertises its native addon on the app's console.
  tf.enableProdMode();
  registerGradients();
  const failures: unknown[] = [];
  for (const backend of preference) {
    try {
      await load(backend);
      if (await tf.setBackend(backend)) {
        await tf.ready();
        return backend;
      }
    } catch (cause) {
      failures.push(cause);
    }
  }
  throw new ClientError(
    "BACKEND",
    `expected one of ${preference.join(", ")} to start; install @tensorflow/tfjs-backend-wasm or -cpu`,
    { cause: new AggregateError(failures) },
  );
}

/** Whether a backend on the graphics processor has lost its context, and with it every tensor. */
export function isContextLost(): boolean {
  const backend: unknown = tf.backend();
  if (typeof backend !== "object" || backend === null || !("gpgpu" in backend)) return false;
  const { gpgpu } = backend;
  if (typeof gpgpu !== "object" || gpgpu === null || !("gl" in gpgpu)) return false;
  const { gl } = gpgpu;
  return (
    typeof gl === "object" &&
    gl !== null &&
    "isContextLost" in gl &&
    typeof gl.isContextLost === "function" &&
    gl.isContextLost() === true
  );
}
