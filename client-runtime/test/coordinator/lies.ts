import type { Message } from "@bufbuild/protobuf";
import type { NodeSigner } from "@fedloop/consent/node";
import type { ReleasedMessage } from "./released-models.js";

export type OfferMessage = {
  round: bigint;
  plan: { entry: Uint8Array; index: bigint; inclusionPath: Uint8Array[]; checkpoint: string };
  consistency: { oldSize: bigint; newSize: bigint; path: Uint8Array[] };
  consentIndex: bigint;
};

/** What a test can make it do wrong. */
export interface Lies {
  offer?: (offer: OfferMessage, knownTreeSize: number) => Promise<OfferMessage> | OfferMessage;
  planSigner?: NodeSigner;
  artifact?: (bytes: Uint8Array) => Uint8Array;
  /** Called before each call is answered; it may throw `Told`. */
  beforeCall?: (path: string, request: Message) => void;
  /** Called before each chunk of a download is sent; it may throw `Told`. */
  beforeChunk?: (offset: number) => void;
  notice?: Uint8Array;
  /** The proof that comes with a consent's receipt, if one does. */
  consistency?: (answer: { consistency?: OfferMessage["consistency"] }) => {
    consistency?: OfferMessage["consistency"];
  };
  released?: (answer: ReleasedMessage) => ReleasedMessage;
}
