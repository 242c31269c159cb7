import { biasedFactorisationTrainer, Participant, type Ratings } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { fileStore } from "@fedloop/client-runtime/node";
import { nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";

/** Asks, takes part in all rounds, and says what it cost. `key` is the participant's own: 32 secret bytes. */
export async function participate(address: string, folder: string, key: Uint8Array, ratings: Ratings): Promise<number> {
  const transport = grpcTransport({ address });
  const verifier = nodeVerifier();
  const participant = await Participant.join({
    population: "lecturers-small",
    transport,
    store: fileStore(folder), // what the device keeps between runs
    signer: nodeSigner(key),
    verifier,
    trainer: biasedFactorisationTrainer(ratings), // the ratings stay in here
    // Masks the update: the coordinator learns the noised sum over the cohort, not what this device sent.
    secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
    consent: {
      purposes: ["lecture-recommendations"],
      decide: (notice) => notice.bytes.length > 0, // show the notice, bring back the person's answer
      dataCategories: ["lecture ratings"],
      storage: "on this device",
      retention: "until withdrawn",
      jurisdiction: "CH",
      withdrawal: "in the app's settings, in one step",
      interface: "a question in the app",
    },
  });
  for await (const event of participant.run()) console.log(event.type, "round" in event ? event.round : "");
  await transport.close();
  return (await participant.budget()).epsilon; // counted by the device itself
}
