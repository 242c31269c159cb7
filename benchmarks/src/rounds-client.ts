/** One client of the rounds benchmark: a process of its own, with a trainer that costs nothing. */
import { setFlagsFromString } from "node:v8";
import { memoryStore, Participant, type Trainer } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { nodeSha256 } from "@fedloop/client-runtime/node";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { WILLING } from "./served-plan.js";
import { median } from "./statistics.js";

const [address = "", population = ""] = process.argv.slice(2);
// As `fedloop serve` does, and docs/operations.md advises for devices in Node with large models.
setFlagsFromString("--heap-growing-percent=300");
const stopping = new AbortController();
process.on("SIGTERM", () => stopping.abort());

const trivial: Trainer = {
  id: "trivial",
  async train({ updateLength }) {
    return { update: new Float32Array(updateLength).fill(1e-4) };
  },
  async evaluate({ updateLength }) {
    return new Float32Array(updateLength);
  },
};

const transport = grpcTransport({ address });
const participant = await Participant.join({
  population,
  transport,
  store: memoryStore(),
  signer: generateNodeSigner(),
  verifier: nodeVerifier(),
  sha256: nodeSha256,
  random: aesCtrRandom(),
  trainer: trivial,
  floors: {
    allowNoNoise: true,
    requireSecureAggregation: false,
    minimumCohort: 1,
    minimumNoiseMultiplier: 0,
    maximumEpsilon: 1e6,
    maximumEpsilonPerRound: 1e6,
  },
  limits: { modelBytes: 1 << 30, updateLength: 1 << 28 },
  consent: WILLING,
});
// Processor time of each round, from the end of the one before.
const processorMs: number[] = [];
let before = process.cpuUsage();
for await (const event of participant.run({ signal: stopping.signal })) {
  if (event.type === "refused") throw new Error(`${event.code}: ${event.message}`);
  if (event.type !== "released") continue;
  const { user, system } = process.cpuUsage(before);
  before = process.cpuUsage();
  processorMs.push((user + system) / 1_000);
}
process.send?.(median(processorMs));
process.disconnect?.();
await transport.close();
