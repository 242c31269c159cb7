// The participant behind the page: this browser's own key and store, and the same runtime that apps use.
import { type Decision, type Notice, Participant, type Trainer } from "@fedloop/client-runtime";
import {
  browserSigner,
  deleteBrowserSigner,
  deleteIndexedDbStore,
  indexedDbStore,
} from "@fedloop/client-runtime/browser";
import { connectTransport } from "@fedloop/client-runtime/connect";
import { webCryptoVerifier } from "@fedloop/consent";
import type { Offer } from "./offers.js";

/** The centre asks and shows; training is the app's. */
const noTrainer: Trainer = {
  id: "consent-centre",
  train: () => Promise.reject(new Error("the consent centre does not train")),
  evaluate: () => Promise.reject(new Error("the consent centre does not train")),
};

/**
 * The name of the key and of the store in this browser. An app of the same origin that uses the population's name for both
 * shares its participant with the centre.
 */
function deviceName({ population }: Offer): string {
  return population;
}

/** Whether this browser holds a participant of the population. */
export async function isKnown(offer: Offer): Promise<boolean> {
  const databases = await indexedDB.databases();
  return databases.some(({ name }) => name === deviceName(offer));
}

export interface Membership {
  readonly participant: Participant;
  /** Deletes the key and the store, once the participant has been erased or has left. */
  forget(): Promise<void>;
}

/**
 * Joins, or goes on as who this browser was. What has no answer yet is asked.
 *
 * @param decide shows the notice and brings back the person's answer
 * @throws ClientError as `Participant.join`
 */
export async function openMembership(
  offer: Offer,
  jurisdiction: string,
  decide: (notice: Notice, purpose: string) => Promise<Decision>,
): Promise<Membership> {
  const device = deviceName(offer);
  const store = indexedDbStore(device);
  const join = async (): Promise<Participant> =>
    Participant.join({
      population: offer.population,
      transport: connectTransport({ baseUrl: location.origin }),
      store,
      signer: await browserSigner(device),
      verifier: webCryptoVerifier(),
      trainer: noTrainer,
      consent: {
        purposes: [offer.purpose],
        decide,
        dataCategories: offer.dataCategories,
        storage: "on the participant's device",
        retention: "until withdrawn or erased",
        jurisdiction,
        withdrawal: "in the consent centre, in one step",
        interface: "the coordinator's consent centre",
        signals: { gpc: Reflect.get(navigator, "globalPrivacyControl") === true },
      },
    });
  let participant: Participant;
  try {
    participant = await join();
  } catch (cause) {
    // Whoever tries again, on this page too, finds the store free.
    await store.close();
    throw cause;
  }
  const forget = async (): Promise<void> => {
    await store.close();
    await Promise.all([deleteBrowserSigner(device), deleteIndexedDbStore(device)]);
  };
  return { participant, forget };
}
