import { parentPort } from "node:worker_threads";
import { nodeUnmaskCrypto } from "../crypto/device-crypto.node.js";
import type { MaskAccumulator } from "../masking/accumulator.js";
import { maskAccumulator } from "../masking/choose-accumulator.js";
import { removeMasks, type UnmaskWork } from "./unmask-engine.js";

/** What a pool asks of a worker. Jobs are numbered; a worker keeps one sum per job until it is collected or dropped. */
export type WorkerRequest =
  | { readonly type: "remove"; readonly job: number; readonly work: UnmaskWork }
  | { readonly type: "collect"; readonly job: number }
  | { readonly type: "drop"; readonly job: number };

/** What a worker answers, in the order of the requests; "ready" comes first, unasked. */
export type WorkerReply =
  | { readonly type: "ready" }
  | { readonly type: "removed"; readonly job: number; readonly inconsistent: readonly number[] }
  | { readonly type: "collected"; readonly job: number; readonly correction: Uint32Array<ArrayBuffer> }
  | { readonly type: "failed"; readonly job: number; readonly message: string };

const crypto = nodeUnmaskCrypto();
const sums = new Map<number, MaskAccumulator>();
let last: Promise<void> = Promise.resolve();

async function answer(request: WorkerRequest): Promise<void> {
  const { job } = request;
  try {
    if (request.type === "remove") {
      const { parameters } = request.work;
      const sum = sums.get(job) ?? maskAccumulator(parameters.length, parameters.bits);
      sums.set(job, sum);
      reply({ type: "removed", job, inconsistent: await removeMasks(sum, request.work, crypto) });
      return;
    }
    const sum = sums.get(job);
    sums.delete(job);
    if (request.type === "drop" || sum === undefined) {
      sum?.close();
      return;
    }
    const correction = new Uint32Array(sum.finish());
    reply({ type: "collected", job, correction }, [correction.buffer]);
  } catch (error) {
    reply({ type: "failed", job, message: error instanceof Error ? error.message : "unknown" });
  }
}

function reply(message: WorkerReply, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

parentPort?.on("message", (request: WorkerRequest) => {
  last = last.then(() => answer(request));
});
reply({ type: "ready" });
