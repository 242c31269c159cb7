import t from "tap";
import { SecAggClient } from "../../../src/secagg/client/client.js";
import { confirmSurvivors } from "../../../src/secagg/client/consistency.js";
import { advertiseKeys } from "../../../src/secagg/client/keys.js";
import { maskVector } from "../../../src/secagg/client/masked.js";
import { dealShares } from "../../../src/secagg/client/shares.js";
import { revealShares } from "../../../src/secagg/client/unmask.js";
import { browserDeviceCrypto } from "../../../src/secagg/crypto/device-crypto.js";
import { nodeDeviceCrypto } from "../../../src/secagg/crypto/device-crypto.node.js";
import { nodeShareCipher } from "../../../src/secagg/crypto/share-cipher.node.js";
import { ENVELOPE_BYTES } from "../../../src/secagg/envelope.js";
import { packedLength } from "../../../src/secagg/masking/packing.js";
import { testSigner, testVerifier } from "../ed25519.js";
import { seededRandom } from "../seeded-random.js";
import { opened, plainSum, TestRound, testDevice, testParameters } from "../test-round.js";

t.test("keys: a device advertises two keys under its signature", async (t) => {
  const device = testDevice(0, 1, testParameters());
  const { maskPublicKey, encryptionPublicKey, signature } = await device.client.advertise();
  t.equal(maskPublicKey.length, 32);
  t.equal(encryptionPublicKey.length, 32);
  t.equal(signature.length, 64);
  t.notSame(maskPublicKey, encryptionPublicKey);
  t.equal(device.client.state, "keys");
});

t.test("shares: a device deals each neighbour one envelope, and the commitment says nothing twice", async (t) => {
  const round = await TestRound.start(5);
  const { client } = round.device(2);
  const deal = await client.dealShares(round.shares.messageFor(2));
  t.strictSame(
    deal.shares.map(({ member }) => member),
    [0, 1, 3, 4],
  );
  t.ok(deal.shares.every(({ envelope }) => envelope.length === ENVELOPE_BYTES));
  const parts = deal.shares.flatMap(({ envelope }) => [
    envelope.slice(0, 32),
    envelope.slice(32, 64),
    envelope.slice(64, 88),
  ]);
  t.equal(new Set(parts.map((part) => part.join())).size, 12, "commitments and nonces differ");
  t.equal(client.state, "shares");
});

t.test("masked: the vector is packed, and the device keeps no key", async (t) => {
  const parameters = testParameters({ bits: 20, length: 33 });
  const round = await TestRound.start(4, { parameters });
  const vectors = await round.deal();
  const { client, values } = round.device(0);
  const { vector } = await client.maskVector(vectors.messageFor(0), values);
  t.equal(vector.length, packedLength(33, 20));
  t.equal(client.state, "masked");
  t.strictSame(client.faultyDealers, []);
});

t.test(
  "consistency and unmask: one share of each dealer that sent shares, in order, and then nothing is left",
  async (t) => {
    const round = await TestRound.start(7);
    const confirmations = await round.mask(await round.deal(new Set([6])), new Set([5]));
    const unmask = await round.confirm(confirmations);
    const { client } = round.device(1);
    const { shares } = await client.unmask(unmask.messageFor(1));
    t.strictSame(
      shares.map(({ member, type }) => `${member} ${type}`),
      ["0 self-mask", "1 self-mask", "2 self-mask", "3 self-mask", "4 self-mask", "5 mask-key"],
    );
    t.equal(client.state, "done");
    client.close();
    t.equal(client.state, "done");
  },
);

t.test("steps out of order are refused and change nothing", async (t) => {
  const round = await TestRound.start(4);
  const { client, values } = round.device(0);
  const vectors = await (await TestRound.start(4)).deal();
  await t.rejects(client.advertise(), { code: "WRONG_STATE", message: /at "keys"/ });
  await t.rejects(client.maskVector(vectors.messageFor(0), values), { code: "WRONG_STATE" });
  await t.rejects(client.confirmSurvivors({ survivors: [] }), { code: "WRONG_STATE" });
  await t.rejects(client.unmask({ signatures: [] }), { code: "WRONG_STATE" });
  await client.dealShares(round.shares.messageFor(0));
  await t.rejects(client.dealShares(round.shares.messageFor(0)), { code: "WRONG_STATE" });
  t.equal(client.state, "shares");
});

t.test("a message that comes while another is answered is refused, and the first answer stands", async (t) => {
  const round = await TestRound.start(4);
  const { client } = round.device(0);
  const list = round.shares.messageFor(0);
  const [first, second] = await Promise.allSettled([client.dealShares(list), client.dealShares(list)]);
  t.equal(first.status, "fulfilled");
  t.match(second, { status: "rejected", reason: { code: "WRONG_STATE" } });
  t.equal(client.state, "shares");
});

t.test("a device that leaves while it answers sends nothing", async (t) => {
  const round = await TestRound.start(4);
  const { client } = round.device(0);
  const answer = client.dealShares(round.shares.messageFor(0));
  client.close();
  await t.rejects(answer);
  t.equal(client.state, "left");
  t.equal(client.leaveReason, "CLOSED");
});

t.test("masking can be cancelled; the device has then left the round", async (t) => {
  const round = await TestRound.start(4);
  const vectors = await round.deal();
  const { client, values } = round.device(0);
  await t.rejects(client.maskVector(vectors.messageFor(0), values, AbortSignal.abort()), { code: "CANCELLED" });
  t.equal(client.leaveReason, "CANCELLED");
});

t.test("a failure that is not the protocol's leaves the round too", async (t) => {
  const signer = { ...testSigner(1), sign: () => Promise.reject(new Error("the key store is locked")) };
  const crypto = nodeDeviceCrypto({ random: seededRandom(1), verifier: testVerifier() });
  const client = new SecAggClient({ parameters: testParameters(), signer, minimumMembers: 3 }, crypto);
  await t.rejects(client.advertise(), /the key store is locked/);
  t.equal(client.leaveReason, "FAILED");
});

t.test(
  "a state answers one message, also when it is used without the client; its secrets are erased step by step",
  async (t) => {
    const crypto = nodeDeviceCrypto({ random: seededRandom("bare"), verifier: testVerifier() });
    const parameters = testParameters();
    const round = await TestRound.start(3, { parameters });
    const setup = { parameters, signer: testSigner("1 0"), minimumMembers: 3 };
    // The bare states run in place of the round's first device, whose random bytes they draw.
    const same = { ...crypto, random: seededRandom("device 1 0") };
    const member = round.shares.memberOf(setup.signer.publicKey) ?? -1;
    const keys = await advertiseKeys(setup, same);
    const shares = await dealShares(keys.state, round.shares.messageFor(member), same);
    await t.rejects(dealShares(keys.state, round.shares.messageFor(member), same), { code: "WRONG_STATE" });
    t.ok(keys.state.encryption.secretKey.erased);
    round.shares.receive(member, shares.message);
    for (const [other, { client }] of round.members) {
      if (other !== member) round.shares.receive(other, await client.dealShares(round.shares.messageFor(other)));
    }
    const vectors = opened(round.shares.close());
    const values = new Int32Array(parameters.length);
    const masked = await maskVector(shares.state, vectors.messageFor(member), values, same);
    t.ok(shares.state.mask.secretKey.erased && shares.state.selfMask.erased);
    t.ok(shares.state.neighbours.every(({ encryptionKey }) => encryptionKey.erased));
    const survivors = [0, 1, 2];
    const confirmed = await confirmSurvivors(masked.state, { survivors });
    await t.rejects(confirmSurvivors(masked.state, { survivors }), { code: "WRONG_STATE" });
    await t.rejects(revealShares(confirmed.state, { signatures: [] }, same), { code: "TOO_FEW_SIGNATURES" });
    t.ok(confirmed.state.secrets.every((secret) => secret.erased));
    await t.rejects(revealShares(confirmed.state, { signatures: [] }, same), { code: "WRONG_STATE" });
  },
);

t.test("devices on WebCrypto and on node:crypto take part in the same round", async (t) => {
  const parameters = testParameters({ length: 70_000 });
  const devices = Array.from({ length: 5 }, (_, i) => {
    const given = { random: seededRandom(`mixed ${i}`), verifier: testVerifier(), shareCipher: nodeShareCipher() };
    return testDevice(i, 1, parameters, i % 2 === 0 ? browserDeviceCrypto(given) : {});
  });
  const round = await TestRound.start(5, { parameters, devices });
  const { sum } = await round.complete(await round.deal(new Set([4])));
  const survivors = [...round.members].filter(([member]) => member !== 4).map(([, device]) => device);
  t.strictSame([...sum], plainSum(survivors));
});
