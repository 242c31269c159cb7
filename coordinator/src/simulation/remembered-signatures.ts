import type { NodeVerifier } from "@fedloop/consent/node";

/** About as many as the devices of one worker process meet in a round and a half. */
const MOST_REMEMBERED = 16_384;

/**
 * A verifier that remembers which signatures were good. A simulation holds thousands of devices in one process: the operator's
 * plan and the log's checkpoint are checked there by each of them, and a neighbour's signature by each of its neighbours.
 * Whether one is good is a fact about public bytes, which need not be worked out a thousand times by the same processor. A device
 * of its own has nothing to remember and checks each once.
 */
export function rememberingVerifier(verifier: NodeVerifier): NodeVerifier {
  /** By signature: the key and the message that it is good for. */
  const good = new Map<string, { readonly publicKey: Uint8Array; readonly message: Uint8Array }>();
  /** Many sign one message; it is kept once. */
  let last: Uint8Array = new Uint8Array();
  return {
    verify(publicKey, message, signature) {
      const name = Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength).toString("latin1");
      const known = good.get(name);
      if (known !== undefined && equal(known.publicKey, publicKey) && equal(known.message, message)) return true;
      if (!verifier.verify(publicKey, message, signature)) return false;
      if (!equal(last, message)) last = new Uint8Array(message);
      if (good.size >= MOST_REMEMBERED) good.clear();
      good.set(name, { publicKey: new Uint8Array(publicKey), message: last });
      return true;
    },
  };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
