// Participants in a process of their own, who take part until there are no more rounds:
//   participants.js ADDRESS VALUE...
// Each answers every round with its value. What happens to them is printed as JSON, a line each.
import { memoryStore, Participant } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { briskClock } from "./brisk-clock.js";
import { POPULATION } from "./serve.js";
import { WILLING } from "./willing.js";

const [address = "", ...values] = process.argv.slice(2);

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

const transport = grpcTransport({ address });

const verifier = nodeVerifier();

async function live(value: number): Promise<void> {
  const participant = await Participant.join({
    population: POPULATION,
    transport,
    store: memoryStore(),
    signer: generateNodeSigner(),
    verifier,
    trainer: {
      id: "test",
      train: async ({ updateLength }) => ({ update: new Float32Array(updateLength).fill(value) }),
      evaluate: async ({ updateLength }) => new Float32Array(updateLength).fill(value),
    },
    floors: { allowNoNoise: true, requireSecureAggregation: false, minimumCohort: 1 },
    secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
    consent: WILLING,
    clock: briskClock,
    retry: { attempts: 2_000, firstMs: 25, longestMs: 25 },
  });
  print({ event: "joined", subject: participant.subject });
  for await (const event of participant.run()) {
    if (event.type === "accepted" || event.type === "abandoned") print({ event: event.type, round: event.round });
  }
}

await Promise.all(values.map((value) => live(Number(value))));
await transport.close();
print({ event: "done" });
