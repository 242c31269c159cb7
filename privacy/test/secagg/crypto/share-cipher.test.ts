import t from "tap";
import { hchacha20 } from "../../../src/secagg/crypto/hchacha20.js";
import { nobleShareCipher } from "../../../src/secagg/crypto/noble-share-cipher.js";
import { type LibsodiumAead, libsodiumShareCipher, type ShareCipher } from "../../../src/secagg/crypto/share-cipher.js";
import { nodeShareCipher } from "../../../src/secagg/crypto/share-cipher.node.js";
import { seededBytes } from "../seeded-random.js";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const hex = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString("hex");

/** draft-irtf-cfrg-xchacha-03, appendix A.3.1. */
const VECTOR = {
  key: bytes("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
  nonce: bytes("404142434445464748494a4b4c4d4e4f5051525354555657"),
  aad: bytes("50515253c0c1c2c3c4c5c6c7"),
  plaintext: new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  ),
  sealed:
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216" +
    "cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13" +
    "b52ec0875924c1c7987947deafd8780acf49",
};

/** libsodium's two functions, with its order of arguments and its way of refusing, over node:crypto. */
function sodiumShape(): LibsodiumAead {
  const cipher = nodeShareCipher();
  return {
    crypto_aead_xchacha20poly1305_ietf_encrypt: (message, aad, _none, nonce, key) =>
      cipher.seal(key, nonce, message, aad),
    crypto_aead_xchacha20poly1305_ietf_decrypt(_none, ciphertext, aad, nonce, key) {
      const opened = cipher.open(key, nonce, ciphertext, aad);
      if (opened === undefined) throw new Error("ciphertext cannot be decrypted using that key");
      return opened;
    },
  };
}

t.test("HChaCha20 gives the subkey of draft-irtf-cfrg-xchacha-03, section 2.2.1", async (t) => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => i);
  const subkey = hchacha20(key, bytes("000000090000004a0000000031415927"));
  t.equal(hex(subkey), "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc");
});

function compliance(name: string, cipher: ShareCipher): void {
  t.test(`${name}: seals as draft-irtf-cfrg-xchacha-03, appendix A.3.1, and opens it`, async (t) => {
    const { key, nonce, aad, plaintext, sealed } = VECTOR;
    t.equal(hex(cipher.seal(key, nonce, plaintext, aad)), sealed);
    t.equal(hex(cipher.open(key, nonce, bytes(sealed), aad)), hex(plaintext));
  });

  t.test(`${name}: any flipped bit is noticed`, async (t) => {
    const [key, nonce, plaintext, aad] = [32, 24, 64, 80].map((length) => seededBytes(length, length));
    if (!(key && nonce && plaintext && aad)) throw new Error("seeded bytes are missing");
    const sealed = cipher.seal(key, nonce, plaintext, aad);
    t.equal(sealed.length, 80);
    const flipped = (value: Uint8Array, bit: number): Uint8Array =>
      value.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
    for (let bit = 0; bit < 640; bit += 13) {
      if (cipher.open(key, nonce, flipped(sealed, bit), aad) !== undefined) t.fail(`sealed bit ${bit}`);
      if (cipher.open(key, nonce, sealed, flipped(aad, bit)) !== undefined) t.fail(`authenticated bit ${bit}`);
    }
    for (let bit = 0; bit < 192; bit += 7) {
      if (cipher.open(key, flipped(nonce, bit), sealed, aad) !== undefined) t.fail(`nonce bit ${bit}`);
      if (cipher.open(flipped(key, bit), nonce, sealed, aad) !== undefined) t.fail(`key bit ${bit}`);
    }
    for (const length of [0, 15, 16, 79]) t.equal(cipher.open(key, nonce, sealed.subarray(0, length), aad), undefined);
  });
}

compliance("node:crypto", nodeShareCipher());
compliance("noble", nobleShareCipher());
compliance("libsodium", libsodiumShareCipher(sodiumShape()));
