// Attacks by what devices are told about the round itself, and by a server that lacks a share.
import t from "tap";
import { nodeUnmaskCrypto } from "../../../src/secagg/crypto/device-crypto.node.js";
import { agree } from "../../../src/secagg/crypto/key-agreement.js";
import { addMasks } from "../../../src/secagg/masking/expander.js";
import { nodeExpander } from "../../../src/secagg/masking/expander.node.js";
import { centre } from "../../../src/secagg/masking/packing.js";
import { plainAccumulator } from "../../../src/secagg/masking/plain-accumulator.js";
import type { UnmaskAnswer } from "../../../src/secagg/messages.js";
import { pairMaskKey } from "../../../src/secagg/transcript.js";
import { seededBytes } from "../seeded-random.js";
import { finished, opened, plainSum, TestRound, testDevice, testParameters } from "../test-round.js";
import { rebuilt } from "./tampering.js";

t.test("attack: t−1 shares: a server that lacks one share of anybody learns no sum", async (t) => {
  const round = await TestRound.start(7);
  const unmask = await round.confirm(await round.mask(await round.deal()));
  await round.reveal(unmask, new Set([0, 1, 2]));
  t.equal(unmask.size, 4);
  t.notOk(unmask.sufficient);
  await t.rejects(finished(unmask), /TOO_FEW_UNMASK_SHARES: 5 shares of each secret are needed/);
});

t.test("attack: different plans to different devices: neighbours' signatures do not fit", async (t) => {
  const round = await TestRound.start(5);
  const other = testDevice(0, 1, testParameters({ planHash: seededBytes("another plan", 32) }));
  await other.client.advertise();
  const member = round.shares.memberOf(other.signer.publicKey) ?? -1;
  await t.rejects(other.client.dealShares(round.shares.messageFor(member)), { code: "BAD_SIGNATURE" });
});

t.test("attack: different models to different devices: shares do not open, and no sum comes out", async (t) => {
  const parameters = testParameters();
  const otherModel = testParameters({ modelHash: seededBytes("another model", 32) });
  for (const fooled of [1, 2, 4]) {
    const devices = Array.from({ length: 9 }, (_, i) => testDevice(i, 1, i < fooled ? otherModel : parameters));
    const round = await TestRound.start(9, { parameters, devices });
    const vectors = await round.deal();
    let left = 0;
    for (const [member, { client, values }] of round.members) {
      try {
        vectors.receive(member, await client.maskVector(vectors.messageFor(member), values));
      } catch (error) {
        t.match(error, { code: "TOO_FEW_SHARES" });
        left++;
      }
    }
    t.ok(left >= fooled, `${left} devices leave when ${fooled} were shown another model`);
    const attempt = async (): Promise<unknown> => {
      const unmask = await round.confirm(opened(vectors.close()));
      await round.reveal(unmask);
      return finished(unmask);
    };
    await t.rejects(attempt(), /TOO_FEW/);
  }
});

t.test(
  "attack: different models to different devices: even where shares are not needed, masks do not cancel",
  async (t) => {
    const { keyAgreement } = nodeUnmaskCrypto();
    const pair = async (seed: string): Promise<{ secretKey: Uint8Array; publicKey: Uint8Array }> => {
      const secretKey = seededBytes(seed, 32);
      return { secretKey, publicKey: await keyAgreement.publicKey(secretKey) };
    };
    const [here, there] = [await pair("here"), await pair("there")];
    const [secret] = await agree(keyAgreement, here, [there.publicKey]);
    if (secret === undefined) throw new Error("no secret");
    const parameters = testParameters({ length: 4000 });
    const changes = [
      {},
      { modelHash: seededBytes("m", 32) },
      { planHash: seededBytes("p", 32) },
      { session: seededBytes("s", 32) },
      { round: 8 },
      { bits: 19 },
    ];
    for (const change of changes) {
      const sum = plainAccumulator(4000, 18);
      const other = testParameters({ length: 4000, ...change });
      const masks = [
        { key: pairMaskKey(parameters, secret, here.publicKey, there.publicKey), sign: 1 },
        { key: pairMaskKey(other, secret, there.publicKey, here.publicKey), sign: -1 },
      ] as const;
      await addMasks(sum, masks, nodeExpander());
      const zeros = sum.finish().filter((residue) => residue === 0).length;
      // Uniform residues of 18 bits are 0 in 4000/2^18 places on average; more than 4 has probability below 1e-11.
      if (Object.keys(change).length === 0) t.equal(zeros, 4000);
      else t.ok(zeros <= 4, `${Object.keys(change)}: ${zeros} of 4000 coordinates cancel`);
    }
  },
);

t.test(
  "attack: a late “dead” device: its vector is dropped, and what the server learned does not unmask it",
  async (t) => {
    const round = await TestRound.start(7, { parameters: testParameters({ length: 2000 }) });
    const vectors = await round.deal();
    const late = 3;
    const { client, values } = round.device(late);
    const lateVector = await client.maskVector(vectors.messageFor(late), values);
    const confirmations = await round.mask(vectors);
    t.notOk(confirmations.message.survivors.includes(late));
    t.throws(() => vectors.receive(late, lateVector), { code: "WRONG_STATE" });
    const unmask = await round.confirm(confirmations);
    const answers = new Map<number, UnmaskAnswer>();
    for (const member of confirmations.message.survivors) {
      const answer = await round.device(member).client.unmask(unmask.messageFor(member));
      answers.set(member, answer);
      unmask.receive(member, answer);
    }
    const { sum } = await finished(unmask);
    const survivors = confirmations.message.survivors.map((member) => round.device(member));
    t.strictSame([...sum], plainSum(survivors));

    // A dishonest server keeps the late vector, and takes out every pair mask with the mask key it has rebuilt.
    const sharing = { holders: 7, threshold: 5 };
    const secretKey = rebuilt(answers, late, "mask-key", sharing);
    if (secretKey === undefined) throw new Error("the mask key should have been rebuilt");
    t.equal(rebuilt(answers, late, "self-mask", sharing), undefined);
    const { keyAgreement } = nodeUnmaskCrypto();
    const own = { secretKey, publicKey: await keyAgreement.publicKey(secretKey) };
    const others = round.shares.messageFor(late).neighbours;
    const secrets = await agree(
      keyAgreement,
      own,
      others.map((other) => other.maskPublicKey),
    );
    const stripped = plainAccumulator(2000, 18);
    stripped.addPacked(lateVector.vector);
    const masks = others.map((other, i) => ({
      key: pairMaskKey(round.parameters, secrets[i] ?? own.secretKey, own.publicKey, other.maskPublicKey),
      sign: other.member > late ? (-1 as const) : (1 as const),
    }));
    await addMasks(stripped, masks, nodeExpander());
    const seen = centre(stripped.finish(), 18);
    const right = values.filter((value, i) => value === seen[i]).length;
    t.ok(right <= 4, `${right} of 2000 coordinates show through: the self mask hides the rest`);
  },
);
