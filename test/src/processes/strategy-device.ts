// Devices of a strategy that has a device's side, in a process of their own:
//   strategy-device.js ADDRESS FOLDER scaffold|q-fedavg once|all|erase FEATURE:LABEL...
// Each has one example and the model label = w·feature. Key and store are in a folder of its own, so that the next process goes on
// as the same devices. `once` ends with the first round that has a result; `erase` erases each and prints what is left in its store.
import { Participant } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { fileSigner, fileStore } from "@fedloop/client-runtime/node";
import { qFedAvgTrainer, scaffoldTrainer } from "@fedloop/client-runtime/personalisation";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { briskClock } from "./brisk-clock.js";
import { LINEAR } from "./linear-model.js";
import { POPULATION } from "./serve.js";
import { WILLING } from "./willing.js";

const [address = "", folder = "", strategy = "", mode = "", ...examples] = process.argv.slice(2);

function print(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const transport = grpcTransport({ address });
const verifier = nodeVerifier();

async function live(example: string): Promise<void> {
  const [feature = 0, label = 0] = example.split(":").map(Number);
  const shape = [1];
  const options = {
    id: "line",
    topology: LINEAR,
    examples: {
      features: Float32Array.of(feature),
      featureShape: shape,
      labels: Float32Array.of(label),
      labelShape: shape,
    },
  };
  const store = await fileStore(`${folder}/${example}/store`);
  const participant = await Participant.join({
    population: POPULATION,
    transport,
    store,
    signer: await fileSigner(`${folder}/${example}/key`),
    verifier,
    trainer: strategy === "scaffold" ? scaffoldTrainer(options) : qFedAvgTrainer(options),
    secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
    floors: { allowNoNoise: true, minimumNoiseMultiplier: 0, minimumCohort: 3 },
    consent: WILLING,
    clock: briskClock,
  });
  print({ event: "joined", example });
  if (mode === "erase") {
    const before = await store.keys(`${POPULATION}/trainer/`);
    await participant.erase();
    print({ event: "erased", example, before, left: await store.keys("") });
    return;
  }
  for await (const event of participant.run()) {
    if ("round" in event && event.type !== "training") print({ ...event, event: event.type, example });
    if (event.type === "released" && mode === "once") return;
  }
}

await Promise.all(examples.map(live));
await transport.close();
print({ event: "done" });
