// The thread that holds the participant of app.ts: its key, its store and the training.
import { join } from "node:path";
import { biasedFactorisationTrainer, type Ratings } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { fileSigner, fileStore, nodeSha256, parentThread } from "@fedloop/client-runtime/node";
import { serveParticipant } from "@fedloop/client-runtime/worker";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";

/** What app.ts sends. */
export interface FromApp {
  /** host:port of the coordinator. */
  readonly address: string;
  /** The folder that is the device. */
  readonly folder: string;
  readonly ratings: Ratings;
}

serveParticipant(parentThread(), async ({ data, decide }) => {
  const { address, folder, ratings } = data as FromApp;
  const verifier = nodeVerifier();
  return {
    population: "lecturers-small",
    transport: grpcTransport({ address }),
    store: fileStore(join(folder, "store")),
    signer: await fileSigner(join(folder, "key")),
    verifier,
    sha256: nodeSha256,
    trainer: biasedFactorisationTrainer(ratings),
    secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
    consent: {
      purposes: ["lecture-recommendations"],
      decide,
      dataCategories: ["lecture ratings"],
      storage: "on this device",
      retention: "until withdrawn",
      jurisdiction: "CH",
      withdrawal: "run this program with --withdraw",
      interface: "terminal",
    },
  };
});
