import t from "tap";
import { nodeUnmaskCrypto } from "../../../src/secagg/crypto/device-crypto.node.js";
import { KeysCollection } from "../../../src/secagg/server/keys.js";
import { inlineUnmaskEngine } from "../../../src/secagg/server/unmask-engine.js";
import { testVerifier } from "../ed25519.js";
import { seededRandom } from "../seeded-random.js";
import { finished, opened, plainSum, TestRound, testDevice, testParameters } from "../test-round.js";

const engine = inlineUnmaskEngine(nodeUnmaskCrypto());

t.test("keys: a retry is harmless, other keys are a conflict, and nothing is taken after the end", async (t) => {
  const parameters = testParameters();
  const keys = new KeysCollection(parameters, testVerifier());
  const devices = Array.from({ length: 4 }, (_, i) => testDevice(i, 1, parameters));
  const [first, second, third, fourth] = await Promise.all(
    devices.map(async ({ client, signer }) => ({
      publicKey: signer.publicKey,
      advertisement: await client.advertise(),
    })),
  );
  if (!(first && second && third && fourth)) throw new Error("devices missing");
  t.equal(await keys.receive(first.publicKey, first.advertisement), "accepted");
  t.equal(await keys.receive(first.publicKey, first.advertisement), "repeated");
  await t.rejects(keys.receive(first.publicKey, second.advertisement), { code: "CONFLICT" });
  await t.rejects(keys.receive(second.publicKey, first.advertisement), { code: "BAD_SIGNATURE" });
  const twice = await Promise.all([1, 2].map(() => keys.receive(second.publicKey, second.advertisement)));
  t.strictSame(twice.sort(), ["accepted", "repeated"]);
  await keys.receive(third.publicKey, third.advertisement);
  t.equal(keys.size, 3);
  const shares = opened(keys.close(seededRandom(1)));
  t.equal(shares.cohort.graph.members, 3);
  t.equal(shares.memberOf(fourth.publicKey), undefined);
  t.equal(await keys.receive(first.publicKey, first.advertisement), "repeated");
  await t.rejects(keys.receive(fourth.publicKey, fourth.advertisement), { code: "WRONG_STATE" });
});

t.test("keys: a full group takes nobody more", async (t) => {
  const parameters = testParameters({ maximumMembers: 3 });
  const keys = new KeysCollection(parameters, testVerifier());
  for (let i = 0; i < 3; i++) {
    const { client, signer } = testDevice(i, 1, parameters);
    await keys.receive(signer.publicKey, await client.advertise());
  }
  const { client, signer } = testDevice(3, 1, parameters);
  await t.rejects(keys.receive(signer.publicKey, await client.advertise()), {
    code: "WRONG_STATE",
    message: /full with 3/,
  });
});

t.test("shares: malformed deals are refused, a retry is harmless, another deal is a conflict", async (t) => {
  const round = await TestRound.start(4);
  const other = await TestRound.start(4, { seed: 2 });
  const deal = await round.device(0).client.dealShares(round.shares.messageFor(0));
  const otherDeal = await other.device(0).client.dealShares(other.shares.messageFor(0));
  const [first, ...rest] = deal.shares;
  if (first === undefined) throw new Error("shares missing");
  t.throws(() => round.shares.receive(4, deal), { code: "UNKNOWN_MEMBER" });
  t.throws(() => round.shares.receive(0, { ...deal, shares: rest }), { code: "MALFORMED" });
  t.throws(() => round.shares.receive(0, { ...deal, shares: [...deal.shares].reverse() }), { code: "MALFORMED" });
  t.throws(() => round.shares.receive(1, deal), { code: "MALFORMED" });
  const short = { ...first, envelope: first.envelope.subarray(1) };
  t.throws(() => round.shares.receive(0, { ...deal, shares: [short, ...rest] }), { code: "WRONG_LENGTH" });
  t.throws(() => round.shares.receive(0, { ...deal, selfMaskCommitment: new Uint8Array(31) }), {
    code: "WRONG_LENGTH",
  });
  t.equal(round.shares.receive(0, deal), "accepted");
  t.equal(round.shares.receive(0, deal), "repeated");
  t.throws(() => round.shares.receive(0, otherDeal), { code: "CONFLICT" });
  const second = await round.device(1).client.dealShares(round.shares.messageFor(1));
  round.shares.close();
  t.equal(round.shares.receive(0, deal), "repeated");
  t.throws(() => round.shares.receive(1, second), { code: "WRONG_STATE" });
});

t.test("masked: vectors are added once and dropped; whoever dealt no shares is not added", async (t) => {
  const round = await TestRound.start(5);
  const vectors = await round.deal(new Set([4]));
  t.equal(vectors.expected, 4);
  t.strictSame(vectors.messageFor(0).gone, [4]);
  t.strictSame(
    vectors.messageFor(0).shares.map(({ member }) => member),
    [1, 2, 3],
  );
  const { client, values } = round.device(0);
  const message = await client.maskVector(vectors.messageFor(0), values);
  t.throws(() => vectors.receive(4, message), { code: "UNKNOWN_MEMBER" });
  t.equal(vectors.receive(0, message), "accepted");
  message.vector.fill(0);
  t.equal(vectors.receive(0, message), "repeated");
  t.equal(vectors.size, 1);
  const { sum, survivors } = await round.complete(vectors);
  t.strictSame(survivors, [0, 1, 2, 3]);
  t.strictSame([...sum], plainSum(survivors.map((member) => round.device(member))));
});

t.test("consistency: only survivors sign, and only the set they were told", async (t) => {
  const round = await TestRound.start(5);
  const confirmations = await round.mask(await round.deal(), new Set([4]));
  const { signature } = await round.device(0).client.confirmSurvivors(confirmations.message);
  await t.rejects(confirmations.receive(4, { signature }), { code: "UNKNOWN_MEMBER" });
  await t.rejects(confirmations.receive(1, { signature }), { code: "BAD_SIGNATURE" });
  t.equal(await confirmations.receive(0, { signature }), "accepted");
  t.equal(await confirmations.receive(0, { signature }), "repeated");
  t.equal(confirmations.expected, 4);
  confirmations.close();
  await t.rejects(confirmations.receive(1, { signature }), { code: "WRONG_STATE" });
});

t.test("unmask: answers are checked before any of their shares counts", async (t) => {
  const round = await TestRound.start(7);
  const unmask = await round.confirm(await round.mask(await round.deal(), new Set([6])), new Set([5]));
  const answer = await round.device(0).client.unmask(unmask.messageFor(0));
  const [first, ...rest] = answer.shares;
  if (first === undefined) throw new Error("shares missing");
  t.equal(unmask.expected, 5);
  t.throws(() => unmask.receive(5, answer), { code: "UNKNOWN_MEMBER" });
  t.throws(() => unmask.receive(0, { shares: [first, first, ...rest] }), { code: "DUPLICATE_MEMBER" });
  t.throws(() => unmask.receive(0, { shares: [...rest, first] }), { code: "MALFORMED" });
  t.throws(() => unmask.receive(0, { shares: [...rest, { ...first, member: 7 }] }), { code: "UNKNOWN_MEMBER" });
  t.throws(() => unmask.receive(0, { shares: [{ ...first, share: new Uint8Array(31) }] }), { code: "WRONG_LENGTH" });
  t.equal(unmask.size, 0);
  t.equal(unmask.receive(0, answer), "accepted");
  t.equal(unmask.receive(0, answer), "repeated");
  await round.reveal(unmask, new Set([0]));
  t.ok(unmask.sufficient);
  const { sum, survivors } = await finished(unmask);
  t.strictSame([...sum], plainSum(survivors.map((member) => round.device(member))));
  t.equal(unmask.receive(1, answer), "repeated");
  await t.rejects(unmask.finish(engine), { code: "WRONG_STATE" });
});

t.test("a round that is given up keeps neither sum nor shares", async (t) => {
  const round = await TestRound.start(4);
  const unmask = await round.confirm(await round.mask(await round.deal()));
  await round.reveal(unmask);
  unmask[Symbol.dispose]();
  await t.rejects(unmask.finish(engine), { code: "WRONG_STATE" });
  const early = await TestRound.start(4);
  const vectors = await early.deal();
  vectors[Symbol.dispose]();
  t.throws(() => vectors.receive(0, { vector: new Uint8Array(48) }), { code: "WRONG_STATE" });
  const middle = await TestRound.start(4);
  const confirmations = await middle.mask(await middle.deal());
  confirmations[Symbol.dispose]();
  await t.rejects(confirmations.receive(0, { signature: new Uint8Array(64) }), { code: "WRONG_STATE" });
});
