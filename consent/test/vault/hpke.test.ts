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
import { hex } from "../hex.js";
import { refuses, rejects } from "../refusals.js";

// RFC 9180 appendix A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode, sequence number 0.
const vector = {
  info: hex("4f6465206f6e2061204772656369616e2055726e"),
  ephemeral: hex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736"),
  encapsulated: hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"),
  recipient: hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"),
  publicKey: hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"),
  plaintext: hex("4265617574792069732074727574682c20747275746820626561757479"),
  associated: hex("436f756e742d30"),
  ciphertext: hex("f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"),
};

t.test("sealing and opening give the vector of RFC 9180 A.1.1", async (t) => {
  const recipient = await recipientFromBytes(vector.recipient);
  t.strictSame(recipient.publicKey, vector.publicKey);
  const ephemeral = await recipientFromBytes(vector.ephemeral);
  const sealed = await sealTo(vector.publicKey, vector, vector.plaintext, "AES-128-GCM", ephemeral);
  t.strictSame(sealed, new Uint8Array([...vector.encapsulated, ...vector.ciphertext]));
  t.strictSame(await openSealed(recipient, vector, sealed, "AES-128-GCM"), vector.plaintext);
});

t.test("only the recipient opens, only what was sealed, only in its place", async (t) => {
  const [auditor, other] = [await generateRecipient(), await generateRecipient()];
  const context = { info: encodeUtf8("view"), associated: encodeUtf8("entry 7") };
  const message = encodeUtf8("a cohort list");
  const sealed = await sealTo(auditor.publicKey, context, message);
  t.strictSame(await openSealed(auditor, context, sealed), message);
  t.notSame(await sealTo(auditor.publicKey, context, message), sealed, "sealed anew each time");
  await rejects(t, "BAD_CIPHERTEXT", "another recipient", () => openSealed(other, context, sealed));
  for (const changed of [
    { ...context, info: encodeUtf8("x") },
    { ...context, associated: encodeUtf8("x") },
  ])
    await rejects(t, "BAD_CIPHERTEXT", "another place", () => openSealed(auditor, changed, sealed));
  for (let at = 0; at < sealed.length; at += 7) {
    const bytes = sealed.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await t.rejects(openSealed(auditor, context, bytes), { name: "LedgerError" }, `byte ${at}`);
  }
  await rejects(t, "BAD_CIPHERTEXT", "cut", () => openSealed(auditor, context, sealed.subarray(0, 31)));
});

t.test("keys of small order and of the wrong length are refused", async (t) => {
  const context = { info: new Uint8Array(0), associated: new Uint8Array(0) };
  const one = new Uint8Array(32);
  one[0] = 1;
  for (const key of [new Uint8Array(32), one, hex(`ec${"ff".repeat(30)}7f`), new Uint8Array(31)])
    await rejects(t, "BAD_KEY", Buffer.from(key).toString("hex"), () => sealTo(key, context, one));
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
