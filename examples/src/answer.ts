import { Participant } from "@fedloop/client-runtime";
import { analyticsTrainer } from "@fedloop/client-runtime/analytics";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { fileStore } from "@fedloop/client-runtime/node";
import { nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import type { Row } from "@fedloop/privacy/analytics";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";

/** What the app has kept of one person: it stays in these arrays. */
export interface Kept {
  /** A row for each session, with its `minutes`. */
  readonly sessions: readonly Row[];
  /** A row for each message: its `arm`, and whether the person `returned`. */
  readonly messages: readonly Row[];
}

/** Answers all questions that the coordinator may ask, and says what that cost. `key` is the participant's own: 32 secret bytes. */
export async function answer(address: string, folder: string, key: Uint8Array, kept: Kept): Promise<number> {
  const transport = grpcTransport({ address });
  const verifier = nodeVerifier();
  const participant = await Participant.join({
    population: "learners-insight",
    transport,
    store: fileStore(folder),
    signer: nodeSigner(key),
    verifier,
    trainer: analyticsTrainer({
      tables: { sessions: kept.sessions, messages: () => kept.messages },
      accepts: ({ minimumDevices }) => minimumDevices >= 3, // a real app would ask for more
    }),
    secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
    consent: {
      purposes: ["improve-the-course"],
      decide: (notice) => notice.bytes.length > 0, // show the notice, bring back the person's answer
      dataCategories: ["study sessions", "answers to messages"],
      storage: "on this device",
      retention: "until withdrawn",
      jurisdiction: "CH",
      withdrawal: "in the app's settings, in one step",
      interface: "a question in the app",
    },
  });
  for await (const event of participant.run()) if (event.type === "accepted") console.log("answered", event.round);
  await transport.close();
  return (await participant.budget()).epsilon;
}
