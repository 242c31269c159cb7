// For every finding code a log that is otherwise in order, in which exactly this goes wrong.
import {
  checkpointText,
  cosigner,
  encodeBase64Url,
  encodeEvent,
  encodeUtf8,
  encryptPayload,
  type FindingCode,
  generateRecipient,
  noteSigner,
  type RoundPlan,
  sealView,
  sha256Text,
  signatureLine,
  signCheckpoint,
  type Trust,
} from "../../src/index.js";
import { generateNodeSigner } from "../../src/index.node.js";
import { LogAuthor, logName, policyBody, population, securePlan, testDevice } from "../author.js";
import { bundleOf, epsilonAfter, RoundAuthor, type RoundChanges, shortLog, startedLog } from "../complete-log.js";
import { RunAuthor } from "../run-log.js";

export interface Faulty {
  readonly bytes: Uint8Array;
  readonly trust?: Trust;
}

export type Planting = () => Promise<Faulty>;

/** A log with two consents and one round with these changes. */
export function round(changes: RoundChanges): Planting {
  return async () => {
    const devices = [1, 2].map(testDevice);
    const rounds = await startedLog(devices);
    await rounds.complete(devices, changes);
    return { bytes: await bundleOf(rounds.author) };
  };
}

/** A log with two consents, to which a test adds what it likes. */
export function log(write: (rounds: RoundAuthor) => Promise<unknown>, trust: Trust = {}): Planting {
  return async () => {
    const rounds = await startedLog([1, 2].map(testDevice));
    await write(rounds);
    return { bytes: await bundleOf(rounds.author), trust };
  };
}

/** The lines of a bundle in order, changed. */
function lines(change: (lines: string[]) => void): Planting {
  return async () => {
    const all = Buffer.from(await bundleOf(await shortLog()))
      .toString()
      .split("\n")
      .slice(0, -1);
    change(all);
    return { bytes: encodeUtf8(all.map((line) => `${line}\n`).join("")) };
  };
}

function plan(change: (plan: RoundPlan) => RoundPlan): Planting {
  return round({ plan: change });
}

const stranger = generateNodeSigner();
export const otherHash: string = sha256Text(encodeUtf8("another"));
const unadmitted = { unadmitted: true } as const;

/** A log whose cohort list is sealed to an auditor. */
export async function sealedLog(auditor: Uint8Array): Promise<Faulty> {
  const devices = [1, 2].map(testDevice);
  const rounds = await startedLog(devices);
  const { author } = rounds;
  const plan = await rounds.plan();
  const cohort = author.cohort(plan, 1, devices);
  const [open = new Uint8Array(0)] = author.blobs;
  const blob = await sealView(open, [auditor], { log: logName, plan });
  const close = { population, round: 1, plan, outcome: "abandoned", reason: "OPERATOR_STOPPED" } as const;
  const body = { ...close, cohort: { size: cohort.size, blob: sha256Text(blob) }, aggregate: null, modelOut: null };
  await author.write({ type: "round.close", body });
  return { bytes: await bundleOf(author, { blobs: [blob] }) };
}

export const faults: { readonly [Code in FindingCode]: Planting } = {
  ACTOR_CHAIN: log(({ author }) =>
    author.write({ type: "heartbeat", body: {} }, { ...unadmitted, envelope: { aseq: 7 } }),
  ),
  BLOB_HASH: lines((all) => {
    const blob = all.at(-2) ?? "";
    all[all.length - 2] = blob.replace(/"consent":1/, '"consent":2');
  }),
  BLOB_UNEXPECTED: lines((all) => {
    all[0] = (all[0] ?? "").replace('"blobs":1', '"blobs":2');
    all.splice(-1, 0, "[]");
  }),
  BUDGET_INCOMPUTABLE: async () => {
    const author = new LogAuthor();
    const limits = { epsilon: "4", delta: "1e-13" };
    await author.write({ type: "policy.publish", body: policyBody({ limits }) });
    await author.consent(testDevice(1), "given");
    await author.plan(1, (plan) => ({ ...plan, reservation: { ...plan.reservation, delta: "1e-13" } }));
    return { bytes: await bundleOf(author) };
  },
  BUNDLE_FRAMING: lines((all) => all.push("{}")),
  BUNDLE_HEADER: lines((all) => {
    all[0] = (all[0] ?? "").replace("bundle/v1", "bundle/v9");
  }),
  CHECKPOINT_FORKED: async () => {
    const devices = [1, 2].map(testDevice);
    const seen = await startedLog(devices);
    const checkpoint = await seen.author.checkpoint();
    const shown = await startedLog([1, 3].map(testDevice));
    await shown.complete([]);
    return { bytes: await bundleOf(shown.author), trust: { checkpoint } };
  },
  CHECKPOINT_INVALID: async () => {
    const author = await shortLog();
    const forged = noteSigner(logName, stranger);
    const checkpoint = await signCheckpoint(
      { origin: logName, size: author.tree.size, root: author.tree.root() },
      forged,
    );
    return { bytes: await bundleOf(author, { checkpoint }) };
  },
  CHECKPOINT_STRANGER: async () => {
    const author = await shortLog();
    const text = checkpointText({ origin: logName, size: author.tree.size, root: author.tree.root() });
    const line = await signatureLine(
      text,
      cosigner("witness.example", stranger, () => 1),
    );
    return { bytes: await bundleOf(author, { checkpoint: `${await author.checkpoint()}${line}` }) };
  },
  CHECKPOINT_WITNESSES: async () => {
    const author = await shortLog();
    const text = checkpointText({ origin: logName, size: author.tree.size, root: author.tree.root() });
    const [present, absent] = ["present.example", "absent.example"].map((name) => cosigner(name, stranger, () => 1));
    if (present === undefined || absent === undefined) throw new Error("no witnesses");
    const checkpoint = `${await author.checkpoint()}${await signatureLine(text, present)}`;
    const bytes = await bundleOf(author, { checkpoint, witnesses: [present.vkey] });
    return { bytes, trust: { witnesses: [present.vkey, absent.vkey], quorum: 2 } };
  },
  CIPHERTEXT_REUSED: log(async ({ author }) => {
    const place = { log: logName, type: "consent.given", id: "AAAAAAAAAAAAAAAAAAAAAA" };
    const enc = encryptPayload(place, new Uint8Array(32).fill(5), { name: "Alice" });
    for (const number of [3, 4]) await author.consent(testDevice(number), "given", {}, { enc });
  }),
  CLOCK_BACKWARDS: log(({ author }) =>
    author.write({ type: "heartbeat", body: {} }, { envelope: { ts: author.now - 3_600_000 } }),
  ),
  CLOSE_COHORT: round({ close: (close) => ({ ...close, cohort: { size: 2, blob: null } }) }),
  CLOSE_MODEL: round({ close: (close) => ({ ...close, modelOut: otherHash }) }),
  CLOSE_PLAN: round({ close: (close) => ({ ...close, plan: otherHash }) }),
  CLOSE_REPEATED: log(async (rounds) => {
    await rounds.abandon();
    const close = {
      population,
      round: 1,
      plan: rounds.author.leafHashes[3] ?? "",
      outcome: "abandoned",
      reason: "OPERATOR_STOPPED",
      cohort: null,
      aggregate: null,
      modelOut: null,
    } as const;
    await rounds.author.write({ type: "round.close", body: close });
  }),
  CLOSE_UNPAID: round({ without: ["debit", "release"] }),
  COHORT_CONSENT: log(async (rounds) => {
    const refusing = testDevice(3);
    await rounds.author.consent(refusing, "refused");
    await rounds.complete([testDevice(1), refusing]);
  }),
  COHORT_JOIN: round({ member: (member) => ({ ...member, join: `${"A".repeat(85)}A` }) }),
  COHORT_MALFORMED: round({ close: (close) => ({ ...close, cohort: { size: 3, blob: close.cohort?.blob ?? null } }) }),
  COHORT_MASK_KEY: round({ member: (member) => ({ ...member, maskKey: sha256Text(encodeUtf8(member.subject)) }) }),
  COHORT_SEALED: async () => sealedLog((await generateRecipient()).publicKey),
  COHORT_WITHDRAWN: async () => {
    const devices = [1, 2].map(testDevice);
    const rounds = await startedLog(devices);
    const [leaving] = devices;
    if (leaving === undefined) throw new Error("no device");
    await rounds.complete(devices, { beforeDebit: () => rounds.author.consent(leaving, "withdrawn") });
    return { bytes: await bundleOf(rounds.author) };
  },
  CONSENT_INVALID: log(({ author }) =>
    author.consent(testDevice(3), "given", { event: { time: 5, validUntil: 4, state: "given" } }, unadmitted),
  ),
  CONSENT_POLICY: log(({ author }) =>
    author.consent(
      testDevice(3),
      "given",
      { notice: { uri: policyBody().noticeUri, sha256: otherHash, language: "en" } },
      unadmitted,
    ),
  ),
  CONSENT_SUBJECT: log(({ author }) =>
    author.consent(testDevice(3), "given", { subject: testDevice(1).subject }, unadmitted),
  ),
  CONSENT_SUPERSEDED: log(({ author }) =>
    author.consent(testDevice(3), "given", { supersedes: otherHash }, unadmitted),
  ),
  DEBIT_CHAIN: round({ debit: (debit) => ({ ...debit, prior: otherHash }) }),
  DEBIT_EVENT: round({
    debit: (debit) => ({ ...debit, event: encodeEvent({ type: "Gaussian", noiseMultiplier: 80 }) }),
  }),
  DEBIT_PLAN: round({ debit: (debit) => ({ ...debit, round: 2 }) }),
  DEBIT_REPEATED: async () => {
    const devices = [1, 2].map(testDevice);
    const rounds = await startedLog(devices);
    const again = async (): Promise<void> => {
      const { author, lastDebit } = rounds;
      const body = {
        population,
        round: 1,
        plan: author.leafHashes[3] ?? "",
        event: encodeEvent({ type: "Gaussian", noiseMultiplier: 8 }),
        accountant: "rdp",
        epsilon: epsilonAfter(2),
        delta: "0.00001",
        prior: lastDebit,
      } as const;
      await author.write({ type: "budget.debit", body });
    };
    await rounds.complete(devices, { beforeClose: again });
    return { bytes: await bundleOf(rounds.author) };
  },
  ENTRY_ID_REPEATED: log(async ({ author }) => {
    const envelope = { id: "AAAAAAAAAAAAAAAAAAAAAA" };
    await author.write({ type: "heartbeat", body: {} }, { envelope });
    await author.write({ type: "heartbeat", body: {} }, { envelope });
  }),
  ENTRY_KEY: async () => {
    const author = new LogAuthor();
    await author.write({ type: "heartbeat", body: {} }, unadmitted);
    return { bytes: await bundleOf(author) };
  },
  ENTRY_LOG: log(({ author }) =>
    author.consent(testDevice(3), "given", {}, { envelope: { log: "another.example/2026" } }),
  ),
  ENTRY_MALFORMED: lines((all) => {
    all[2] = (all[2] ?? "").replace('"v":1', '"v": 1');
  }),
  ENTRY_SIGNATURE: log(({ author }) => author.write({ type: "heartbeat", body: {} }, { signer: stranger })),
  EPSILON_OVER_CAP: async () => {
    const devices = [1, 2].map(testDevice);
    const author = new LogAuthor();
    const limits = { epsilon: "0.1", delta: "0.00001" };
    await author.write({ type: "policy.publish", body: policyBody({ limits }) });

    const rounds = new RoundAuthor(author);
    for (const device of devices) await author.consent(device, "given");
    await rounds.complete(devices);
    return { bytes: await bundleOf(author) };
  },
  EPSILON_UNDERSTATED: round({ debit: (debit) => ({ ...debit, epsilon: "0.1" }) }),
  ERASED_SUBJECT: log(async ({ author }) => {
    const device = testDevice(3);
    await author.consent(device, "given");
    await author.write({ type: "erasure", body: { subject: device.subject, reason: "requested" } });
    await author.consent(device, "given", { supersedes: null }, unadmitted);
  }),
  ERASURE_INCOMPLETE: log(
    async ({ author }) => {
      const device = testDevice(3);
      await author.consent(device, "refused");
      await author.write({ type: "erasure", body: { subject: device.subject, reason: "requested" } });
    },
    { subjectsWithKeys: [testDevice(1).subject, testDevice(3).subject] },
  ),
  HEARTBEAT_GAP: log(
    ({ author }) => author.write({ type: "heartbeat", body: {} }, { envelope: { ts: author.now + 7_200_000 } }),
    { maximumSilenceMs: 3_600_000 },
  ),
  LOG_START: async () => {
    const author = new LogAuthor();
    await author.consent(testDevice(1), "refused", {}, unadmitted);
    return { bytes: await bundleOf(author) };
  },
  MASK_KEY_REUSED: round({
    plan: (plan) => ({
      ...plan,
      secureAggregation: securePlan(plan.update.bits),
    }),
    member: (member) => ({ ...member, maskKey: otherHash }),
  }),
  PARTICIPANT_LIMIT: async () => {
    const [device] = [testDevice(1)];
    const rounds = await startedLog([]);
    await rounds.author.consent(device, "given", { limits: { epsilon: null, delta: null, rounds: 1 } });
    await rounds.complete([device]);
    await rounds.complete([device]);
    return { bytes: await bundleOf(rounds.author) };
  },
  PLAN_DIVISOR: plan((plan) => ({ ...plan, privacy: { ...plan.privacy, divisor: 2 } })),
  PLAN_ELIGIBLE: plan((plan) => ({ ...plan, eligible: { ...plan.eligible, count: plan.eligible.count + 1 } })),
  PLAN_EVENT: plan((plan) => {
    const inner = { type: "Gaussian", noiseMultiplier: 8 } as const;
    const event = encodeEvent({ type: "PoissonSampled", samplingProbability: 0.01, event: inner });
    return { ...plan, privacy: { ...plan.privacy, event } };
  }),
  PLAN_LIMITS: plan((plan) => ({ ...plan, reservation: { ...plan.reservation, cap: "40" } })),
  PLAN_MODEL: async () => {
    const devices = [1, 2].map(testDevice);
    const rounds = await startedLog(devices);
    await rounds.complete(devices);
    await rounds.complete(devices, { plan: (plan) => ({ ...plan, model: { ...plan.model, sha256: otherHash } }) });
    return { bytes: await bundleOf(rounds.author) };
  },
  PLAN_POLICY: plan((plan) => ({ ...plan, policy: 2 })),
  PLAN_ROUND: plan((plan) => ({ ...plan, round: 5 })),
  PLAN_TREE_SIZE: plan((plan) => ({ ...plan, consentTreeSize: plan.consentTreeSize + 1 })),
  POLICY_INVALID: log(({ author }) =>
    author.write({ type: "policy.publish", body: policyBody({ policy: 3 }) }, unadmitted),
  ),
  RELEASE_REPEATED: async () => {
    const devices = [1, 2].map(testDevice);
    const rounds = await startedLog(devices);
    const again = async (): Promise<void> => {
      const body = { population, round: 1, model: otherHash, debit: rounds.lastDebit ?? "" };
      await rounds.author.write({ type: "model.release", body });
    };
    await rounds.complete(devices, { beforeClose: again });
    return { bytes: await bundleOf(rounds.author) };
  },
  RELEASE_UNPAID: round({ without: ["debit"] }),
  RUN_PARTICIPATION: async () => {
    const devices = [1, 2].map(testDevice);
    const run = await RunAuthor.start(devices);
    await run.step(devices);
    await run.step(devices);
    return { bytes: await bundleOf(run.rounds.author) };
  },
  STAGE_MODEL: log(async (rounds) => {
    await rounds.complete([testDevice(1), testDevice(2)]);
    await rounds.stage("live");
    await rounds.stage("rolled-back");
    await rounds.stage("live");
  }),
  STAGE_ORDER: log(async (rounds) => {
    await rounds.complete([testDevice(1), testDevice(2)]);
    await rounds.stage("live");
    await rounds.stage("live");
  }),
  TREE_ROOT: async () => {
    const author = await shortLog();
    const root = encodeUtf8("another root of thirty-two bytes");
    const checkpoint = await signCheckpoint({ origin: logName, size: author.tree.size, root }, author.checkpointSigner);
    return { bytes: await bundleOf(author, { checkpoint }) };
  },
  TRUST_MISMATCH: async () => ({
    bytes: await bundleOf(await shortLog()),
    trust: { operatorKey: encodeBase64Url(stranger.publicKey) },
  }),
};
