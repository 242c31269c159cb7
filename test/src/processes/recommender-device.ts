// People with a ready-made recommender, in a process of their own:
//   recommender-device.js ADDRESS OWN:HELD...
// Each has the items OWN and for evaluation the items HELD, of which the first was kept back; both are numbers with commas. When
// the rounds are done each prints which of HELD its device recommends.
import { memoryStore, Participant, projectionScores, secondMomentsTrainer } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { briskClock } from "./brisk-clock.js";
import { POPULATION } from "./serve.js";
import { WILLING } from "./willing.js";

const [address = "", ...people] = process.argv.slice(2);

function print(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const transport = grpcTransport({ address });
const verifier = nodeVerifier();

async function live(person: string): Promise<void> {
  const [items = new Int32Array(), held = new Int32Array()] = person
    .split(":")
    .map((list) => Int32Array.from(list.split(","), Number));
  const participant = await Participant.join({
    population: POPULATION,
    transport,
    store: memoryStore(),
    signer: generateNodeSigner(),
    verifier,
    trainer: secondMomentsTrainer({ items, held }),
    secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
    floors: { minimumNoiseMultiplier: 0, maximumEpsilon: 1_000, maximumEpsilonPerRound: 1_000 },
    consent: WILLING,
    clock: briskClock,
  });
  for await (const event of participant.run()) {
    if (event.type === "refused") print({ event: "refused", code: event.code });
  }
  const model = await participant.model();
  if (model === undefined) return;
  const scores = projectionScores(model, items, held);
  print({ event: "recommends", held: [...held], item: held[scores.indexOf(Math.max(...scores))] });
}

await Promise.all(people.map(live));
await transport.close();
