// The worker: holds the participant, its key, its store and the training.
import { biasedFactorisationTrainer, type Ratings } from "@fedloop/client-runtime";
import { browserSigner, indexedDbStore } from "@fedloop/client-runtime/browser";
import { connectTransport } from "@fedloop/client-runtime/connect";
import { serveParticipant, workerScope } from "@fedloop/client-runtime/worker";
import { webCryptoVerifier } from "@fedloop/consent";
import { systemRandom } from "@fedloop/privacy";
import { browserDeviceCrypto } from "@fedloop/privacy/secagg";

/** What the page sends. */
interface FromPage {
  readonly coordinator: string;
  readonly device: string;
  readonly ratings: Ratings;
}

serveParticipant(workerScope(), async ({ data, decide, conditions }) => {
  const { coordinator, device, ratings } = data as FromPage;
  const verifier = webCryptoVerifier();
  return {
    population: "lecturers-small",
    transport: connectTransport({ baseUrl: coordinator }),
    store: indexedDbStore(device),
    signer: await browserSigner(device),
    verifier,
    trainer: biasedFactorisationTrainer(ratings),
    secureAggregation: browserDeviceCrypto({ random: systemRandom(), verifier }),
    scheduling: { conditions },
    consent: {
      purposes: ["lecture-recommendations"],
      decide,
      dataCategories: ["lecture ratings"],
      storage: "in this browser",
      retention: "until withdrawn",
      jurisdiction: "CH",
      withdrawal: "the button Withdraw",
      interface: "a dialog in the page",
    },
  };
});
