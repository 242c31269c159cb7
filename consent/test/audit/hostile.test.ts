// Hostile and unlucky logs. Each outcome is stated: found, or accepted because it is in order.
import t from "tap";
import {
  type BudgetDebit,
  buildEntry,
  eligibleRoot,
  encodeBase64Url,
  encodeEvent,
  encodeUtf8,
  type FindingCode,
  parseEntry,
  type RoundPlan,
  sha256Text,
  verifyBundle,
  webCryptoVerifier,
} from "../../src/index.js";
import { generateNodeSigner, type NodeSigner, nodeVerifier } from "../../src/index.node.js";
import { LogAuthor, operator, policyBody, type TestDevice, testDevice } from "../author.js";
import { bundleOf, RoundAuthor, startedLog } from "../complete-log.js";
import { rejects } from "../refusals.js";

const verifier = nodeVerifier();

async function codesOf(author: LogAuthor): Promise<FindingCode[]> {
  const { findings } = await verifyBundle([await bundleOf(author)], { verifier });
  return findings.map(({ code }) => code);
}

async function twoDevices(): Promise<{
  readonly first: TestDevice;
  readonly second: TestDevice;
  readonly rounds: RoundAuthor;
  readonly author: LogAuthor;
}> {
  const [first, second] = [testDevice(1), testDevice(2)];
  const rounds = await startedLog([first, second]);
  return { first, second, rounds, author: rounds.author };
}

t.test(
  "a withdrawal between plan and debit is found, one between debit and close is not: nothing is used any more",
  async (t) => {
    const before = await twoDevices();
    await before.rounds.complete([before.first, before.second], {
      beforeDebit: () => before.author.consent(before.first, "withdrawn"),
    });
    t.strictSame(await codesOf(before.author), ["COHORT_WITHDRAWN"]);
    const after = await twoDevices();
    await after.rounds.complete([after.first, after.second], {
      beforeClose: () => after.author.consent(after.first, "withdrawn"),
    });
    t.strictSame(await codesOf(after.author), []);
  },
);

t.test("who withdraws between the tree size and the plan may be eligible, but must not be used", async (t) => {
  const { rounds, author, first, second } = await twoDevices();
  const treeSize = author.view.size;
  await author.consent(first, "withdrawn");
  const eligible = { count: 2, root: eligibleRoot([first.subject, second.subject]) };
  const plan = (plan: RoundPlan): RoundPlan => ({ ...plan, consentTreeSize: treeSize, eligible });
  await rounds.complete([second], { plan });
  t.strictSame(await codesOf(author), []);
  const used = await twoDevices();
  const size = used.author.view.size;
  const given = used.author.view.status(used.first.subject, "train-rating-model").index;
  await used.author.consent(used.first, "withdrawn");
  await used.rounds.complete([used.first, used.second], {
    plan: (plan) => ({ ...plan, consentTreeSize: size, eligible }),
    member: (member) => (member.subject === used.first.subject ? { ...member, consent: given } : member),
  });
  t.strictSame(await codesOf(used.author), ["COHORT_WITHDRAWN"]);
});

t.test("a consent given again after a withdrawal counts from then on only", async (t) => {
  const { rounds, author, first, second } = await twoDevices();
  await author.consent(first, "withdrawn");
  await rounds.complete([second]);
  await author.consent(first, "given");
  await rounds.complete([first, second]);
  t.strictSame(await codesOf(author), []);
});

t.test("an old consent replayed after the withdrawal is found", async (t) => {
  const { author, first } = await twoDevices();
  const [, given] = author.entries;
  if (given === undefined) throw new Error("no entry");
  await author.consent(first, "withdrawn");
  author.push(given);
  const codes = await codesOf(author);
  for (const code of ["ENTRY_ID_REPEATED", "ACTOR_CHAIN"] as const) t.ok(codes.includes(code), code);
});

t.test("a consent of one subject replayed as another's is found", async (t) => {
  const { author } = await twoDevices();
  const thief = testDevice(7);
  const record = parseEntry(author.entries[1] ?? new Uint8Array()).body;
  if (!("record" in record)) throw new Error("no record");
  await author.consent(thief, "given", { ...record.record }, { unadmitted: true });
  t.ok((await codesOf(author)).includes("CONSENT_SUBJECT"));
});

t.test("with a notice's bytes swapped under one URI, consents to the old bytes no longer count", async (t) => {
  const { rounds, author, first, second } = await twoDevices();
  await author.write({
    type: "policy.publish",
    body: policyBody({ policy: 2, notice: sha256Text(encodeUtf8("other bytes, same URI")) }),
  });
  await rounds.complete([first, second], {
    plan: (plan) => ({ ...plan, policy: 2, cohort: { ...plan.cohort, minimum: 1 } }),
  });
  const codes = await codesOf(author);
  t.equal(codes.filter((code) => code === "COHORT_CONSENT").length, 2);
});

/** Announces a new key for the operator, signed by the current one. */
async function rotateOperator(author: LogAuthor, next: NodeSigner, signer: NodeSigner = operator): Promise<void> {
  const newKey = encodeBase64Url(next.publicKey);
  await author.write({ type: "key.rotate", body: { role: "operator", newKey, reason: "scheduled" } }, { signer });
}

t.test("after a rotation the new key signs; entries under the old key are found", async (t) => {
  const next = generateNodeSigner();
  const { author } = await twoDevices();
  await rotateOperator(author, next);
  await author.write({ type: "heartbeat", body: {} }, { signer: next });
  t.strictSame(await codesOf(author), []);
  await author.write({ type: "heartbeat", body: {} }, { signer: operator });
  t.strictSame(await codesOf(author), ["ENTRY_SIGNATURE"]);
});

t.test("a rotation that is not signed by the current key is found", async (t) => {
  const thief = generateNodeSigner();
  const { author } = await twoDevices();
  await rotateOperator(author, thief, thief);
  t.strictSame(await codesOf(author), ["ENTRY_SIGNATURE"]);
});

t.test(
  "a device that rotates its key keeps the joins it made before, and may join under either key meanwhile",
  async (t) => {
    for (const verify of [verifier, webCryptoVerifier()])
      for (const joinsWith of ["old", "new", "stranger"] as const) {
        const { rounds, author, first, second } = await twoDevices();
        await rounds.complete([first, second]);
        const old = first.signer;
        const next = generateNodeSigner();
        const signers = { old, new: next, stranger: generateNodeSigner() };
        const joining = { ...first, signer: signers[joinsWith] };
        const rotated = { ...first, signer: next };
        await rounds.complete([joining, second], {
          beforeDebit: async () => {
            const bytes = await buildEntry(
              {
                log: "log.example/2026",
                id: "BAAAAAAAAAAAAAAAAAAAAA",
                ts: author.now,
                actor: first.subject,
                aseq: first.sequence,
                aprev: first.previous,
                type: "key.rotate",
                body: { role: "device", newKey: encodeBase64Url(next.publicKey), reason: "lost" },
              },
              old,
            );
            rotated.previous = author.push(bytes);
            rotated.sequence = first.sequence + 1;
          },
        });
        await rounds.complete([rotated, second]);
        await author.consent(rotated, "withdrawn");
        const { findings } = await verifyBundle([await bundleOf(author)], { verifier: verify });
        t.strictSame(
          findings.map(({ code }) => code),
          joinsWith === "stranger" ? ["COHORT_JOIN"] : [],
          joinsWith,
        );
      }
  },
);

/** A plan with this noise, honestly stated. */
function noiseOf(noiseMultiplier: string): (plan: RoundPlan) => RoundPlan {
  const event = { type: "Gaussian", noiseMultiplier };
  return (plan) => ({ ...plan, privacy: { ...plan.privacy, noiseMultiplier, event } });
}

t.test("noise that is no positive number, and an event that nobody knows, are no plan", async (t) => {
  for (const noise of ["NaN", "-1", "0", "Infinity", "1e400", "", "0x10", " 1"]) {
    const { rounds } = await twoDevices();
    await rejects(t, "BAD_ENTRY", `noise ${noise}`, () => rounds.plan(noiseOf(noise)));
  }
  const event = { type: "MagicNoise", noiseMultiplier: "9" };
  const { rounds } = await twoDevices();
  await rejects(t, "BAD_ENTRY", "an unknown event", () =>
    rounds.plan((plan) => ({ ...plan, privacy: { ...plan.privacy, event } })),
  );
});

t.test("a debit without a release costs all the same, and a close that names a model for it is found", async (t) => {
  const { rounds, author, first, second } = await twoDevices();
  await rounds.complete([first, second], { without: ["release"], close: (close) => ({ ...close, modelOut: null }) });
  t.strictSame(await codesOf(author), [], "a result that is kept back is no fault");
  const { populations } = await verifyBundle([await bundleOf(author)], { verifier });
  t.equal(populations[0]?.rounds, 1, "its budget is spent");
  const other = await twoDevices();
  const modelOut = "A".repeat(43);
  await other.rounds.complete([other.first, other.second], {
    without: ["release"],
    close: (close) => ({ ...close, modelOut }),
  });
  t.strictSame(await codesOf(other.author), ["CLOSE_MODEL"]);
});

t.test("noise next to nothing is no noise: ε is over every cap, in finite time", async (t) => {
  for (const noise of ["1e-300", "1e-150", "0.000001"]) {
    const { rounds, author, first, second } = await twoDevices();
    const event = { type: "Gaussian", noiseMultiplier: noise };
    const debit = (debit: BudgetDebit): BudgetDebit => ({ ...debit, event });
    await rounds.complete([first, second], { plan: noiseOf(noise), debit });
    const codes = await codesOf(author);
    for (const code of ["EPSILON_UNDERSTATED", "EPSILON_OVER_CAP"] as const)
      t.ok(codes.includes(code), `${noise}: ${code}`);
  }
});

t.test("an event with more noise than the plan adds is found", async (t) => {
  const { rounds, author, first, second } = await twoDevices();
  const event = encodeEvent({ type: "Gaussian", noiseMultiplier: 80 });
  await rounds.complete([first, second], {
    plan: (plan) => ({ ...plan, privacy: { ...plan.privacy, event } }),
    debit: (debit) => ({ ...debit, event }),
  });
  t.ok((await codesOf(author)).includes("PLAN_EVENT"));
});

t.test("a discrete Gaussian that understates sensitivity or dimension is found", async (t) => {
  for (const [sensitivity, dimension, found] of [
    [1_100, 10, false],
    [1_099, 10, true],
    [1_100, 9, true],
  ] as const) {
    const { rounds, author, first, second } = await twoDevices();
    const event = encodeEvent({ type: "DiscreteGaussian", sigma: 8 * sensitivity, sensitivity, dimension });
    await rounds.complete([first, second], {
      plan: (plan) => ({ ...plan, privacy: { ...plan.privacy, event } }),
      debit: (debit) => ({ ...debit, event }),
    });
    t.equal((await codesOf(author)).includes("PLAN_EVENT"), found, `${sensitivity}, ${dimension}`);
  }
});

t.test("a round without differential privacy is in order only under a policy that says so", async (t) => {
  for (const [cap, expected] of [
    ["unbounded", []],
    ["4", ["PLAN_LIMITS", "EPSILON_OVER_CAP"]],
  ] as const) {
    const author = new LogAuthor();
    await author.write({ type: "policy.publish", body: policyBody({ limits: { epsilon: cap, delta: "0.00001" } }) });
    const device = testDevice(1);
    await author.consent(device, "given");
    const event = { type: "NonPrivate" };
    await new RoundAuthor(author).complete([device], {
      plan: (plan) => ({
        ...plan,
        privacy: {
          ...plan.privacy,
          mechanism: "none",
          noiseAt: "none",
          noiseMultiplier: "0",
          reason: "a comparison",
          event,
        },
        reservation: { epsilon: "unbounded", delta: "0.00001", cap },
      }),
      debit: (debit) => ({ ...debit, event, epsilon: "unbounded" }),
    });
    t.strictSame(await codesOf(author), expected, cap);
  }
});

t.test("a participant listed with another's consent is found", async (t) => {
  const { rounds, author, first, second } = await twoDevices();
  await rounds.complete([first, second], {
    member: (member) => ({ ...member, consent: member.consent === 1 ? 2 : 1 }),
  });
  t.strictSame(await codesOf(author), ["COHORT_CONSENT", "COHORT_CONSENT"]);
});

t.test("a cohort list of another round does not pass: its joins name another plan", async (t) => {
  const { rounds, author, first, second } = await twoDevices();
  await rounds.complete([first, second]);
  const earlier = parseEntry(author.entries.at(-1) ?? new Uint8Array());
  await rounds.complete([first, second], {
    close: (close) => (earlier.type === "round.close" ? { ...close, cohort: earlier.body.cohort } : close),
  });
  t.ok((await codesOf(author)).includes("COHORT_JOIN"));
});
