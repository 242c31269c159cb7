// Attacks by what devices are told about who is left.
import t from "tap";
import type { UnmaskAnswer } from "../../../src/secagg/messages.js";
import { TestRound, testParameters } from "../test-round.js";
import { rebuilt } from "./tampering.js";

t.test("attack: different survivor sets for different devices: nobody who saw the rarer set answers", async (t) => {
  const round = await TestRound.start(7);
  const confirmations = await round.mask(await round.deal());
  const all = [...confirmations.message.survivors];
  const victim = 6;
  const without = all.filter((member) => member !== victim);
  // The victim's self mask is asked of 0 to 3 and 6, its mask key of 4 and 5. Members 2 and 3 are corrupt: they sign
  // both sets.
  const signatures = new Map<number, Map<number, Uint8Array>>([
    [0, new Map()],
    [1, new Map()],
  ]);
  for (const member of all) {
    const toldWithout = member === 4 || member === 5;
    const set = { survivors: toldWithout ? without : all };
    const { signature } = await round.device(member).client.confirmSurvivors(set);
    signatures.get(toldWithout ? 1 : 0)?.set(member, signature);
    if (member === 2 || member === 3) {
      const twin = await TestRound.start(7);
      const other = await twin.mask(await twin.deal());
      t.strictSame(other.message.survivors, all);
      const second = await twin.device(member).client.confirmSurvivors({ survivors: without });
      signatures.get(1)?.set(member, second.signature);
    }
  }
  const answers = new Map<number, UnmaskAnswer>();
  const refusals: unknown[] = [];
  for (const member of all) {
    const own = signatures.get(member === 4 || member === 5 ? 1 : 0) ?? new Map<number, Uint8Array>();
    const list = [...own].filter(([signer]) => signer !== member).sort(([a], [b]) => a - b);
    const message = { signatures: list.map(([signer, signature]) => ({ member: signer, signature })) };
    await round
      .device(member)
      .client.unmask(message)
      .then(
        (answer) => answers.set(member, answer),
        (error: unknown) => refusals.push(error),
      );
  }
  t.strictSame([...answers.keys()], [0, 1, 2, 3, 6]);
  t.match(refusals, [{ code: "TOO_FEW_SIGNATURES" }, { code: "TOO_FEW_SIGNATURES" }]);
  const sharing = { holders: 7, threshold: 5 };
  t.ok(rebuilt(answers, victim, "self-mask", sharing), "the honest majority's set goes through");
  t.equal(rebuilt(answers, victim, "mask-key", sharing), undefined, "the victim's other secret stays unknown");
});

t.test("attack: signatures over another survivor set are passed off as signatures over this one", async (t) => {
  const round = await TestRound.start(5);
  const confirmations = await round.mask(await round.deal());
  const { client } = round.device(0);
  await client.confirmSurvivors({ survivors: [0, 1, 2, 3] });
  const signatures: { member: number; signature: Uint8Array }[] = [];
  for (const member of [1, 2, 3]) {
    const { signature } = await round.device(member).client.confirmSurvivors(confirmations.message);
    signatures.push({ member, signature });
  }
  await t.rejects(client.unmask({ signatures }), { code: "BAD_SIGNATURE" });
  t.equal(client.state, "left");
});

t.test("attack: a victim listed alive and dead among those that sent shares", async (t) => {
  const round = await TestRound.start(5);
  const vectors = await round.deal();
  const { client, values } = round.device(0);
  const delivery = vectors.messageFor(0);
  await t.rejects(client.maskVector({ ...delivery, gone: [3] }, values), { code: "ALIVE_AND_DEAD" });
});

t.test("attack: a victim that was said to be gone is listed as a survivor", async (t) => {
  const round = await TestRound.start(5);
  const vectors = await round.deal();
  const { client, values } = round.device(0);
  const delivery = vectors.messageFor(0);
  const shares = delivery.shares.filter((share) => share.member !== 3);
  await client.maskVector({ shares, gone: [3] }, values);
  await t.rejects(client.confirmSurvivors({ survivors: [0, 1, 2, 3, 4] }), { code: "ALIVE_AND_DEAD" });
});

t.test("attack: a victim listed twice, or a member nobody knows, among the survivors", async (t) => {
  const lists: readonly [readonly number[], string][] = [
    [[0, 1, 2, 2, 3], "DUPLICATE_MEMBER"],
    [[0, 2, 1, 3, 4], "MALFORMED"],
    [[0, 1, 2, 3, 5], "UNKNOWN_MEMBER"],
    [[0, 1, 2, 3, -1], "UNKNOWN_MEMBER"],
    [[0, 1, 2, 3, 3.5], "UNKNOWN_MEMBER"],
  ];
  for (const [survivors, code] of lists) {
    const round = await TestRound.start(5);
    await round.mask(await round.deal());
    await t.rejects(round.device(0).client.confirmSurvivors({ survivors }), { code });
  }
});

t.test("attack: a device that sent its vector is told that it is dead", async (t) => {
  const round = await TestRound.start(5);
  await round.mask(await round.deal());
  await t.rejects(round.device(0).client.confirmSurvivors({ survivors: [1, 2, 3, 4] }), { code: "LISTED_DEAD" });
});

t.test("attack: survivors below the threshold, or below the plan's tolerance", async (t) => {
  const round = await TestRound.start(7);
  await round.mask(await round.deal());
  await t.rejects(round.device(0).client.confirmSurvivors({ survivors: [0, 1, 2, 3] }), { code: "TOO_FEW_SURVIVORS" });
  const parameters = testParameters({ minimumMembers: 7, minimumSurvivors: 6 });
  const strict = await TestRound.start(7, { parameters });
  await strict.mask(await strict.deal());
  const survivors = [0, 1, 2, 3, 4];
  await t.rejects(strict.device(0).client.confirmSurvivors({ survivors }), { code: "TOO_FEW_SURVIVORS" });
});

t.test("attack: survivor signatures replayed from another round are refused", async (t) => {
  const before = await TestRound.start(4, { parameters: testParameters({ round: 1 }) });
  const now = await TestRound.start(4, { parameters: testParameters({ round: 2 }) });
  const oldConfirmations = await before.mask(await before.deal());
  const oldUnmask = await before.confirm(oldConfirmations);
  await now.confirm(await now.mask(await now.deal()));
  await t.rejects(now.device(0).client.unmask(oldUnmask.messageFor(0)), { code: "BAD_SIGNATURE" });
});
