import sodium from "libsodium-wrappers";
import t from "tap";
import {
  commitment,
  encodeUtf8,
  generateRecipient,
  isSealedView,
  openSealed,
  opensCommitment,
  openView,
  recipientFromBytes,
  sealTo,
  sealView,
} from "../../src/index.js";
import { open, seal } from "../../src/vault/aead.js";
import { hex } from "../hex.js";
import { refuses, rejects } from "../refusals.js";

await sodium.ready;

t.test("sealed boxes are libsodium's, in both directions", async (t) => {
  const { publicKey, privateKey } = sodium.crypto_box_keypair();
  const recipient = await recipientFromBytes(privateKey);
  t.strictSame(recipient.publicKey, publicKey);
  for (const length of [0, 1, 32, 100, 5_000]) {
    const message = sodium.randombytes_buf(length);
    t.strictSame(await openSealed(recipient, sodium.crypto_box_seal(message, publicKey)), message);
    const opened = sodium.crypto_box_seal_open(await sealTo(publicKey, message), publicKey, privateKey);
    t.strictSame(new Uint8Array(opened), new Uint8Array(message));
  }
});

t.test("encryption is libsodium's XChaCha20-Poly1305, in both directions, and the draft's vector", async (t) => {
  const key = sodium.randombytes_buf(32);
  for (const length of [0, 1, 64, 1_000]) {
    const [text, bound] = [sodium.randombytes_buf(length), sodium.randombytes_buf(length)];
    const sealed = seal(key, text, bound);
    const [nonce, ciphertext] = [sealed.subarray(0, 24), sealed.subarray(24)];
    const opened = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, ciphertext, bound, nonce, key);
    t.strictSame(new Uint8Array(opened), text);
    t.strictSame(sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(text, bound, null, nonce, key), ciphertext);
  }
  // draft-irtf-cfrg-xchacha-03, appendix A.3.1
  const plaintext = encodeUtf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const vectorKey = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const vectorNonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
  const sealed = seal(vectorKey, plaintext, hex("50515253c0c1c2c3c4c5c6c7"), vectorNonce);
  t.equal(Buffer.from(sealed.subarray(-16)).toString("hex"), "c0875924c1c7987947deafd8780acf49");
});

t.test("a ciphertext opens under its key and with its associated data only", async (t) => {
  const [key, bound] = [new Uint8Array(32).fill(1), encodeUtf8("entry 7")];
  const sealed = seal(key, encodeUtf8("text"), bound);
  t.notSame(seal(key, encodeUtf8("text"), bound), sealed, "sealed anew each time");
  refuses(t, "BAD_CIPHERTEXT", "another key", () => open(new Uint8Array(32), sealed, bound));
  refuses(t, "BAD_CIPHERTEXT", "another place", () => open(key, sealed, encodeUtf8("entry 8")));
  refuses(t, "BAD_CIPHERTEXT", "cut", () => open(key, sealed.subarray(0, 39), bound));
  refuses(t, "BAD_KEY", "a short key", () => open(key.subarray(1), sealed, bound));
  for (let at = 0; at < sealed.length; at++) {
    const bytes = sealed.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    refuses(t, "BAD_CIPHERTEXT", `byte ${at}`, () => open(key, bytes, bound));
  }
});

t.test("only the recipient opens, and only what was sealed", async (t) => {
  const [auditor, other] = [await generateRecipient(), await generateRecipient()];
  const message = encodeUtf8("a cohort list");
  const sealed = await sealTo(auditor.publicKey, message);
  t.strictSame(await openSealed(auditor, sealed), message);
  t.notSame(await sealTo(auditor.publicKey, message), sealed, "sealed anew each time");
  await rejects(t, "BAD_CIPHERTEXT", "another recipient", () => openSealed(other, sealed));
  for (let at = 0; at < sealed.length; at += 7) {
    const bytes = sealed.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await t.rejects(openSealed(auditor, bytes), { name: "LedgerError" }, `byte ${at}`);
  }
  await rejects(t, "BAD_CIPHERTEXT", "cut", () => openSealed(auditor, sealed.subarray(0, 47)));
});

t.test("keys of small order and of the wrong length are refused", async (t) => {
  const one = new Uint8Array(32);
  one[0] = 1;
  for (const key of [new Uint8Array(32), one, hex(`ec${"ff".repeat(30)}7f`), new Uint8Array(31)])
    await rejects(t, "BAD_KEY", Buffer.from(key).toString("hex"), () => sealTo(key, one));
  await rejects(t, "BAD_KEY", "a short private key", () => recipientFromBytes(new Uint8Array(31)));
});

t.test("a sealed view opens for each of its auditors, in its own round", async (t) => {
  const auditors = [await generateRecipient(), await generateRecipient(), await generateRecipient()];
  const [first, second, outsider] = auditors;
  if (first === undefined || second === undefined || outsider === undefined) throw new Error("no auditors");
  const place = { log: "log.example/2026", plan: "AAAA" };
  const document = encodeUtf8("[]");
  const blob = await sealView(document, [first.publicKey, second.publicKey], place);
  t.equal(isSealedView(blob), true);
  t.equal(isSealedView(document), false);
  for (const auditor of [first, second]) t.strictSame(await openView(blob, auditor, place), document);
  t.equal(await openView(blob, outsider, place), undefined);
  for (const elsewhere of [
    { ...place, plan: "BBBB" },
    { ...place, log: "other.example" },
  ])
    await rejects(t, "BAD_CIPHERTEXT", "another place", () => openView(blob, first, elsewhere));
  await rejects(t, "BAD_ENTRY", "nobody", () => sealView(document, [], place));
  await rejects(t, "BAD_ENTRY", "twice the same", () => sealView(document, [first.publicKey, first.publicKey], place));
  await rejects(t, "BAD_ENTRY", "another form", () => openView(encodeUtf8("{}"), first, place));
});

t.test("a commitment opens to its field and no other", async (t) => {
  const opening = new Uint8Array(32).fill(3);
  const text = commitment(opening, "alice@example.org");
  t.equal(opensCommitment(text, opening, "alice@example.org"), true);
  t.equal(opensCommitment(text, opening, "bob@example.org"), false);
  t.equal(opensCommitment(text, new Uint8Array(32), "alice@example.org"), false);
  refuses(t, "BAD_KEY", "a short opening", () => commitment(new Uint8Array(16), "x"));
});
