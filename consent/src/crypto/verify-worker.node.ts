// A worker thread that checks batches of signatures.
import { parentPort } from "node:worker_threads";
import { nodeVerifier } from "./node-crypto.node.js";
import { keptKeys, unpackChecks } from "./verify-batch.node.js";

const verifier = nodeVerifier({ keys: keptKeys });

parentPort?.on("message", (batch: Uint8Array) => {
  const answers = unpackChecks(batch).map(({ publicKey, message, signature }) =>
    verifier.verify(publicKey, message, signature) ? 1 : 0,
  );
  parentPort?.postMessage(new Uint8Array(answers));
});
