import type { Trainer } from "@fedloop/client-runtime";
import { browserSigner, indexedDbStore } from "@fedloop/client-runtime/browser";
import { connectTransport } from "@fedloop/client-runtime/connect";
import { serveParticipant, workerScope } from "@fedloop/client-runtime/worker";
import { webCryptoVerifier } from "@fedloop/consent";
import { systemRandom } from "@fedloop/privacy";
import { browserDeviceCrypto } from "@fedloop/privacy/secagg";
import { type PageSettings, VIOLATIONS } from "./settings.js";

const violations = new BroadcastChannel(VIOLATIONS);
addEventListener("securitypolicyviolation", ({ blockedURI }) => violations.postMessage(blockedURI));

/** Computes without a pause, as training does, and answers with a constant. */
function constantTrainer({ value, busyMs = 0, endless }: PageSettings): Trainer {
  let trainings = 0;
  const answer = (length: number): Float32Array => {
    for (const end = performance.now() + busyMs; performance.now() < end; ) Math.hypot(1, 2);
    return new Float32Array(length).fill(value);
  };
  return {
    id: "test",
    train: async ({ updateLength }) => {
      trainings += 1;
      if (trainings === endless) await new Promise(() => {});
      return { update: answer(updateLength) };
    },
    evaluate: async ({ updateLength }) => answer(updateLength),
  };
}

serveParticipant(workerScope(), async ({ data, decide, conditions }) => {
  // The page sends nothing else.
  const settings = data as PageSettings;
  const verifier = webCryptoVerifier();
  return {
    population: settings.population,
    transport: connectTransport({ baseUrl: settings.coordinator }),
    store: indexedDbStore(settings.device, { waitMs: settings.storeWaitMs ?? 5_000 }),
    signer: await browserSigner(settings.device),
    verifier,
    trainer: constantTrainer(settings),
    secureAggregation: browserDeviceCrypto({ random: systemRandom(), verifier }),
    scheduling: { conditions },
    floors: { allowNoNoise: true, minimumCohort: 3 },
    retry: { attempts: 1_000, firstMs: 50, longestMs: 200 },
    consent: {
      purposes: [settings.purpose],
      decide,
      dataCategories: ["lecture ratings"],
      storage: "in this browser",
      retention: "until withdrawn",
      jurisdiction: "CH",
      withdrawal: "in the page",
      interface: "test",
    },
  };
});
