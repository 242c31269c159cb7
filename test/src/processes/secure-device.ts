// One device of a round under secure aggregation, in a process of its own:
//   secure-device.js ADDRESS VALUE [CALL]
// It answers every round with its value. Before its first call of the name CALL it prints that it is there and waits for a
// line on its standard input, so that whoever started it can kill it there, or let it go when it is too late.
import { once } from "node:events";
import { memoryStore, Participant, type Transport } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { briskClock } from "./brisk-clock.js";
import { POPULATION } from "./serve.js";
import { WILLING } from "./willing.js";

const [address = "", value = "0", call = ""] = process.argv.slice(2);

function print(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** The connection, which tells of the first call of a name and waits to be let go. */
function pausingBefore(transport: Transport, name: string): Transport {
  let hasPaused = false;
  return {
    async unary(method, request, options) {
      if (method.localName === name && !hasPaused) {
        hasPaused = true;
        print({ event: "at", call: name });
        await once(process.stdin, "data");
      }
      return transport.unary(method, request, options);
    },
    serverStream: (method, request, options) => transport.serverStream(method, request, options),
    close: () => transport.close(),
  };
}

const transport = grpcTransport({ address });
const verifier = nodeVerifier();
const participant = await Participant.join({
  population: POPULATION,
  transport: pausingBefore(transport, call),
  store: memoryStore(),
  signer: generateNodeSigner(),
  verifier,
  secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
  trainer: {
    id: "test",
    train: async ({ updateLength }) => ({ update: new Float32Array(updateLength).fill(Number(value)) }),
    evaluate: async ({ updateLength }) => new Float32Array(updateLength).fill(Number(value)),
  },
  floors: { allowNoNoise: true, minimumNoiseMultiplier: 0, minimumCohort: 3 },
  consent: WILLING,
  clock: briskClock,
});
print({ event: "joined", subject: participant.subject });
for await (const event of participant.run()) {
  if (event.type === "accepted" || event.type === "abandoned") print({ event: event.type, round: event.round });
}
await transport.close();
process.stdin.destroy();
print({ event: "done" });
