import t from "tap";
import { agree, type KeyAgreement, requirePublicKey } from "../../../src/secagg/crypto/key-agreement.js";
import { nodeKeyAgreement } from "../../../src/secagg/crypto/key-agreement.node.js";
import { webCryptoKeyAgreement } from "../../../src/secagg/crypto/webcrypto-key-agreement.js";
import { seededBytes } from "../seeded-random.js";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const hex = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString("hex");

/** RFC 7748, section 6.1. */
const ALICE = {
  secretKey: bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
  publicKey: bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
};
const BOB = {
  secretKey: bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
  publicKey: bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
};
const SHARED = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";

/** Points of low order in their canonical encoding, and two encodings that are not canonical (RFC 7748, section 6.1). */
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];
const NOT_CANONICAL = [
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4eea",
  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

function compliance(name: string, keyAgreement: KeyAgreement): void {
  t.test(`${name}: keys and secrets are those of RFC 7748, section 6.1`, async (t) => {
    t.equal(hex(await keyAgreement.publicKey(ALICE.secretKey)), hex(ALICE.publicKey));
    t.equal(hex(await keyAgreement.publicKey(BOB.secretKey)), hex(BOB.publicKey));
    const secrets = await agree(keyAgreement, ALICE, [BOB.publicKey, ALICE.publicKey, BOB.publicKey]);
    t.equal(secrets.length, 3);
    t.equal(hex(secrets[0]), SHARED);
    t.equal(hex(secrets[2]), SHARED);
    t.not(hex(secrets[1]), SHARED);
    t.equal(hex((await agree(keyAgreement, BOB, [ALICE.publicKey]))[0]), SHARED);
  });

  t.test(`${name}: any 32 bytes are a secret key`, async (t) => {
    for (const secretKey of [seededBytes(1, 32), new Uint8Array(32), new Uint8Array(32).fill(255)]) {
      const own = { secretKey, publicKey: await keyAgreement.publicKey(secretKey) };
      const [here] = await agree(keyAgreement, own, [BOB.publicKey]);
      const [there] = await agree(keyAgreement, BOB, [own.publicKey]);
      t.equal(hex(here), hex(there));
    }
  });

  t.test(`${name}: a low-order key gives no secret`, async (t) => {
    for (const key of LOW_ORDER) await t.rejects(agree(keyAgreement, ALICE, [bytes(key)]));
  });
}

compliance("node:crypto", nodeKeyAgreement());
compliance("WebCrypto", webCryptoKeyAgreement());

t.test("public keys of low order, of wrong length and with a second encoding are refused", async (t) => {
  for (const key of LOW_ORDER) t.throws(() => requirePublicKey(bytes(key)), { code: "LOW_ORDER_KEY" }, key);
  for (const key of NOT_CANONICAL) t.throws(() => requirePublicKey(bytes(key)), { code: "MALFORMED" }, key);
  for (const length of [0, 31, 33]) t.throws(() => requirePublicKey(new Uint8Array(length)), { code: "MALFORMED" });
  requirePublicKey(BOB.publicKey);
  requirePublicKey(bytes("ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"));
});

t.test("an agreement that gives all zeros is refused", async (t) => {
  const zeros: KeyAgreement = { publicKey: () => new Uint8Array(32), sharedSecrets: () => [new Uint8Array(32)] };
  await t.rejects(agree(zeros, ALICE, [BOB.publicKey]), { code: "LOW_ORDER_KEY" });
});
