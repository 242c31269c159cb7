// The worker's code of worker-participant.test.ts.
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { memoryStore } from "../../src/index.js";
import { nodeSha256, parentThread } from "../../src/index.node.js";
import { grpcTransport } from "../../src/transport/grpc.node.js";
import { serveParticipant } from "../../src/worker/index.js";
import { TERMS, testTrainer } from "../coordinator/participants.js";
import { POPULATION } from "../coordinator/plans.js";

/** What the test sends. */
export interface FromTest {
  readonly address: string;
  /** Ends the thread in its first training. */
  readonly dies?: boolean;
  /** Throws while the options are made. */
  readonly fails?: boolean;
}

serveParticipant(parentThread(), ({ data, decide, conditions }) => {
  const { address, dies = false, fails = false } = data as FromTest;
  if (fails) throw new TypeError("the app's own mistake");
  return {
    population: POPULATION,
    transport: grpcTransport({ address }),
    store: memoryStore(),
    signer: generateNodeSigner(),
    verifier: nodeVerifier(),
    sha256: nodeSha256,
    trainer: dies ? testTrainer({ train: () => process.exit(3) }) : testTrainer(),
    floors: { requireSecureAggregation: false },
    scheduling: { conditions },
    retry: { attempts: 2, firstMs: 1, longestMs: 1 },
    consent: { ...TERMS, decide },
  };
});
