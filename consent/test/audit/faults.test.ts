// One planted fault for every finding code: in a log that is otherwise in order, exactly this goes wrong.
import t from "tap";
import { findingMeanings, generateRecipient, verifyBundle } from "../../src/index.js";
import { nodeVerifier } from "../../src/index.node.js";
import { testDevice } from "../author.js";
import type { RoundAuthor } from "../complete-log.js";
import { faults, log, otherHash, round, sealedLog } from "./planted-faults.js";

t.setTimeout(240_000);
const verifier = nodeVerifier();

t.test("a sealed cohort list is checked by the auditor it is sealed to", async (t) => {
  const [auditor, other] = [await generateRecipient(), await generateRecipient()];
  const { bytes } = await sealedLog(auditor.publicKey);
  t.strictSame((await verifyBundle([bytes], { verifier, auditor })).findings, []);
  const codes = (await verifyBundle([bytes], { verifier, auditor: other })).findings.map(({ code }) => code);
  t.strictSame(codes, ["COHORT_SEALED"]);
});

t.test("a log without fault has no finding", async (t) => {
  for (const planting of [round({}), log(async () => undefined)]) {
    const { bytes } = await planting();
    t.strictSame((await verifyBundle([bytes], { verifier })).findings, []);
  }
});

const canaryShare = 500;

t.test("stages of models in their order have no finding", async (t) => {
  const { bytes } = await log(async (rounds) => {
    await rounds.complete([testDevice(1), testDevice(2)]);
    await rounds.stage("canary", { share: canaryShare });
    await rounds.stage("canary", { share: 2 * canaryShare });
    await rounds.stage("live");
    await rounds.complete([testDevice(1), testDevice(2)]);
    await rounds.stage("canary", { share: canaryShare });
    await rounds.stage("rolled-back");
  })();
  t.strictSame((await verifyBundle([bytes], { verifier })).findings, []);
});

const misorders: { readonly [name: string]: (rounds: RoundAuthor) => Promise<void> } = {
  "a canary that is live": async (rounds) => {
    await rounds.stage("live");
    await rounds.stage("canary", { share: canaryShare });
  },
  "a second canary": async (rounds) => {
    await rounds.stage("canary", { share: canaryShare });
    await rounds.complete([testDevice(1), testDevice(2)]);
    await rounds.stage("canary", { share: canaryShare });
  },
  "a rollback of a candidate": (rounds) => rounds.stage("rolled-back"),
  "a standing that keeps a canary after its rollback": async (rounds) => {
    await rounds.stage("canary", { share: canaryShare });
    await rounds.stage("rolled-back", {
      standing: { live: null, canary: { round: 1, model: rounds.model, share: canaryShare } },
    });
  },
  "a standing with another model than the one that goes live": (rounds) =>
    rounds.stage("live", { standing: { live: { round: 1, model: otherHash }, canary: null } }),
  "a canary with another share in its standing": (rounds) =>
    rounds.stage("canary", {
      share: canaryShare,
      standing: { live: null, canary: { round: 1, model: rounds.model, share: canaryShare + 1 } },
    }),
};

for (const [name, write] of Object.entries(misorders)) {
  t.test(`${name} is found`, async (t) => {
    const { bytes } = await log(async (rounds) => {
      await rounds.complete([testDevice(1), testDevice(2)]);
      await write(rounds);
    })();
    const { findings } = await verifyBundle([bytes], { verifier });
    t.strictSame(
      findings.map(({ code }) => code),
      ["STAGE_ORDER"],
    );
  });
}

t.test("a plan that takes updates of a model that was never released is found", async (t) => {
  const buffered = (models: readonly string[]) => async (rounds: RoundAuthor) => {
    const first = rounds.model;
    await rounds.complete([testDevice(1), testDevice(2)]);
    await rounds.complete([testDevice(1), testDevice(2)], {
      plan: (plan) => ({
        ...plan,
        staleness: { exponent: "0.5", models: [plan.model.sha256, first, ...models] },
      }),
    });
  };
  const honest = await verifyBundle([(await log(buffered([]))()).bytes], { verifier });
  t.strictSame(honest.findings, []);
  const { findings } = await verifyBundle([(await log(buffered([otherHash]))()).bytes], { verifier });
  t.match(findings, [{ code: "PLAN_MODEL", message: new RegExp(otherHash) }]);
  t.equal(findings.length, 1);
});

for (const [code, planting] of Object.entries(faults)) {
  t.test(`${code} is found where it was planted`, async (t) => {
    const { bytes, trust = {} } = await planting();
    const { ok, findings } = await verifyBundle([bytes], { verifier, trust });
    t.equal(ok, false);
    t.ok(
      findings.some((finding) => finding.code === code),
      findings.map((f) => `${f.code}: ${f.message}`).join("\n"),
    );
    t.ok(findings.length < 8, `${findings.length} findings`);
  });
}

t.test("there is a planted fault for every code", async (t) => {
  t.strictSame(Object.keys(faults).toSorted(), Object.keys(findingMeanings).toSorted());
});
