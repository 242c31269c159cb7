import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import t from "tap";
import { rememberingVerifier } from "../../src/simulation/remembered-signatures.js";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

t.test("a signature is worked out once, and remembered for that key and message alone", async (t) => {
  let asked = 0;
  const platform = nodeVerifier();
  const verifier = rememberingVerifier({
    verify: (...signed) => {
      asked += 1;
      return platform.verify(...signed);
    },
  });
  const [signer, other] = [generateNodeSigner(), generateNodeSigner()];
  const message = text("U = 1, 2, 3");
  const signature = signer.sign(message);
  t.ok(verifier.verify(signer.publicKey, message, signature));
  t.ok(verifier.verify(signer.publicKey, text("U = 1, 2, 3"), new Uint8Array(signature)), "by content, not identity");
  t.equal(asked, 1);
  t.notOk(verifier.verify(other.publicKey, message, signature), "another's key");
  t.notOk(verifier.verify(signer.publicKey, text("U = 1, 2"), signature), "another message");
  signature[5] = (signature[5] ?? 0) ^ 1;
  t.notOk(verifier.verify(signer.publicKey, message, signature), "another signature");
  t.notOk(verifier.verify(signer.publicKey, message, signature), "bad ones are worked out each time");
  t.equal(asked, 5);
});
