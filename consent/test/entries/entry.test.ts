import t from "tap";
import {
  buildEntry,
  canonicalText,
  decodeUtf8,
  type EntryDraft,
  encodeBase64Url,
  encodeEvent,
  encodeUtf8,
  entryBytes,
  entryLeafHash,
  entryMessage,
  leafHash,
  newEntryId,
  parseEntry,
  readCloseEntry,
  readConsentEntry,
  readErasureEntry,
  readPlanEntry,
  readPolicyEntry,
  readStageEntry,
  sha256Text,
  verifyEntrySignature,
} from "../../src/index.js";
import { generateNodeSigner, nodeVerifier } from "../../src/index.node.js";
import {
  LogAuthor,
  logName,
  operator,
  planBody,
  policyBody,
  population,
  recordOf,
  securePlan,
  testDevice,
} from "../author.js";
import { refuses, rejects } from "../refusals.js";

const verifier = nodeVerifier();
const id = "AAAAAAAAAAAAAAAAAAAAAA";
const envelope = { log: logName, id, ts: 1_767_225_600_000, actor: "coordinator", aseq: 0, aprev: null };
const hash = sha256Text(encodeUtf8("x"));
const event = encodeEvent({ type: "Gaussian", noiseMultiplier: 8 });
const device = testDevice(1);

/** One well-formed draft of every type. */
const drafts: readonly EntryDraft[] = [
  { ...envelope, type: "policy.publish", body: policyBody() },
  ...(["given", "refused", "withdrawn", "reaffirmed", "expired"] as const).map(
    (state): EntryDraft => ({
      ...envelope,
      actor: device.subject,
      type: `consent.${state}`,
      body: { record: recordOf(device, state, 5) },
    }),
  ),
  { ...envelope, type: "round.plan", body: planBody(1, 4, [device.subject]) },
  {
    ...envelope,
    type: "round.plan",
    body: { ...planBody(1, 4, [device.subject]), secureAggregation: securePlan(20) },
  },
  {
    ...envelope,
    type: "round.close",
    body: {
      population,
      round: 1,
      plan: hash,
      outcome: "completed",
      reason: null,
      cohort: { size: 3, blob: hash },
      aggregate: hash,
      modelOut: hash,
    },
  },
  {
    ...envelope,
    type: "budget.debit",
    body: { population, round: 1, plan: hash, event, accountant: "rdp", epsilon: "0.5", delta: "0.00001", prior: null },
  },
  { ...envelope, type: "model.release", body: { population, round: 1, model: hash, debit: hash } },
  {
    ...envelope,
    type: "model.stage",
    body: {
      population,
      round: 1,
      model: hash,
      stage: "canary",
      share: 500,
      standing: { live: null, canary: { round: 1, model: hash, share: 500 } },
    },
  },
  {
    ...envelope,
    type: "analytics.release",
    body: { population, round: 1, plan: hash, query: hash, event, minimumCohort: 20, debit: hash },
  },
  { ...envelope, type: "key.rotate", body: { role: "operator", newKey: hash, reason: "scheduled" } },
  { ...envelope, type: "erasure", body: { subject: device.subject, reason: "requested" } },
  { ...envelope, type: "heartbeat", body: {} },
];

for (const draft of drafts) {
  t.test(`a ${draft.type} entry comes back from its bytes with a valid signature`, async (t) => {
    const bytes = await buildEntry(draft, operator);
    const entry = parseEntry(bytes);
    t.strictSame({ ...draft, v: 1, sig: entry.sig }, entry);
    t.strictSame(entryBytes(entry), bytes);
    t.strictSame(entryBytes({ ...entry }), bytes, "an entry made without bytes is written the same");
    t.equal(entryLeafHash(entry), encodeBase64Url(leafHash(bytes)));
    t.equal(await verifyEntrySignature(entry, operator.publicKey, verifier), true);
    t.equal(await verifyEntrySignature(entry, generateNodeSigner().publicKey, verifier), false);
    const { sig, ...unsigned } = entry;
    t.equal(decodeUtf8(entryMessage(entry)), `fedloop-ledger/v1\n${canonicalText(unsigned)}`);
    t.equal(sig.length, 86);
  });
}

t.test("a reader of some types reads these as all readers do, and refuses every other", async (t) => {
  const readers = {
    "policy.publish": readPolicyEntry,
    "round.plan": readPlanEntry,
    "round.close": readCloseEntry,
    erasure: readErasureEntry,
    "model.stage": readStageEntry,
    consent: readConsentEntry,
  };
  for (const draft of drafts) {
    const bytes = await buildEntry(draft, operator);
    for (const [of, read] of Object.entries(readers)) {
      if (draft.type.startsWith(of)) t.strictSame(read(bytes), parseEntry(bytes));
      else refuses(t, "BAD_ENTRY", `${draft.type} to a reader of ${of}`, () => read(bytes));
    }
  }
  for (const json of ["null", "[]", '"heartbeat"', "{}", '{"type":null}', '{"type":"toString"}'])
    refuses(t, "BAD_ENTRY", json, () => readPolicyEntry(encodeUtf8(json)));
});

t.test("a changed byte of an entry is refused or breaks the signature", async (t) => {
  const draft = drafts[1];
  if (draft === undefined) throw new Error("no draft");
  const bytes = await buildEntry(draft, device.signer);
  let accepted = 0;
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    try {
      if (await verifyEntrySignature(parseEntry(changed), device.signer.publicKey, verifier)) accepted++;
    } catch {
      // refused while parsing
    }
  }
  t.equal(accepted, 0);
});

t.test("entries outside their type's closed form are refused", async (t) => {
  const [policy, given] = drafts;
  const plan = drafts.find(({ type }) => type === "round.plan");
  if (policy === undefined || given === undefined || plan === undefined) throw new Error("no drafts");
  const valid = JSON.parse(decodeUtf8(await buildEntry(plan, operator)));
  const changed = (change: (value: typeof valid) => void): Uint8Array => {
    const copy = structuredClone(valid);
    change(copy);
    return encodeUtf8(canonicalText(copy));
  };
  t.ok(parseEntry(changed(() => undefined)));
  const cases: readonly (readonly [string, (value: typeof valid) => void])[] = [
    ["another version", (e) => (e.v = 2)],
    ["an unknown type", (e) => (e.type = "round.planned")],
    ["a member too many", (e) => (e.note = "x")],
    ["a member too few", (e) => delete e.ts],
    ["a body member too many", (e) => (e.body.note = "x")],
    ["a body member too few", (e) => delete e.body.deadlines],
    ["a body of another type", (e) => (e.type = "heartbeat")],
    ["a negative time", (e) => (e.ts = -1)],
    ["a log with a space", (e) => (e.log = "two words")],
    ["an id with trailing bits", (e) => (e.id = "AAAAAAAAAAAAAAAAAAAAAB")],
    ["a short id", (e) => (e.id = "AAAA")],
    ["a signature cut short", (e) => (e.sig = e.sig.slice(0, -1))],
    ["another actor", (e) => (e.actor = "operator")],
    ["a participant as author", (e) => (e.actor = device.subject)],
    ["a first entry with a predecessor", (e) => (e.aprev = hash)],
    ["a later entry without predecessor", (e) => (e.aseq = 1)],
    ["round 0", (e) => (e.body.round = 0)],
    ["a decimal not in shortest form", (e) => (e.body.privacy.clipNorm = "1.0")],
    ["a clip norm of NaN", (e) => (e.body.privacy.clipNorm = "NaN")],
    ["a clip norm of 0", (e) => (e.body.privacy.clipNorm = "0")],
    ["a negative noise multiplier", (e) => (e.body.privacy.noiseMultiplier = "-8")],
    ["no noise with a mechanism", (e) => (e.body.privacy.noiseMultiplier = "0")],
    ["an unknown mechanism", (e) => (e.body.privacy.mechanism = "wishful")],
    [
      "a mechanism of none without reason",
      (e) => Object.assign(e.body.privacy, { mechanism: "none", noiseAt: "none" }),
    ],
    ["noise at the devices for a central mechanism", (e) => (e.body.privacy.noiseAt = "devices")],
    ["an unknown event", (e) => (e.body.privacy.event = { type: "Wishful", noiseMultiplier: "8" })],
    ["an event with a number for a real", (e) => (e.body.privacy.event = { type: "Gaussian", noiseMultiplier: 8 })],
    ["an event with negative noise", (e) => (e.body.privacy.event = { type: "Gaussian", noiseMultiplier: "-8" })],
    ["an event with no noise", (e) => (e.body.privacy.event = { type: "Gaussian", noiseMultiplier: "0" })],
    ["an event of NaN", (e) => (e.body.privacy.event = { type: "Gaussian", noiseMultiplier: "NaN" })],
    ["an event member too many", (e) => (e.body.privacy.event = { ...e.body.privacy.event, unit: "x" })],
    ["a non-private event with a mechanism", (e) => (e.body.privacy.event = { type: "NonPrivate" })],
    ["disabled secure aggregation without reason", (e) => (e.body.secureAggregation.reason = null)],
    [
      "enabled secure aggregation without parameters",
      (e) => (e.body.secureAggregation = { enabled: true, reason: null }),
    ],
    ["secure aggregation of other bits than the update's", (e) => (e.body.secureAggregation = securePlan(21))],
    ["more survivors than members", (e) => (e.body.secureAggregation = securePlan(20, { minimumSurvivors: 11 }))],
    ["a group of more than its maximum", (e) => (e.body.secureAggregation = securePlan(20, { groupTarget: 31 }))],
    ["a corrupt fraction of 1", (e) => (e.body.secureAggregation = securePlan(20, { corruptFraction: "1" }))],
    [
      "masks on floats",
      (e) => {
        e.body.secureAggregation = securePlan(20);
        e.body.update.encoding = "float32";
      },
    ],
    ["a cohort minimum above its target", (e) => (e.body.cohort.minimum = 4)],
    ["noise on floats", (e) => (e.body.update.encoding = "float32")],
    ["one bit", (e) => (e.body.update.bits = 1)],
    ["a trainer setting of null", (e) => (e.body.trainer.settings.base = null)],
    ["an epsilon of infinity", (e) => (e.body.reservation.epsilon = "Infinity")],
    ["a delta of 1", (e) => (e.body.reservation.delta = "1")],
  ];
  for (const [what, change] of cases) {
    refuses(t, "BAD_ENTRY", what, () => parseEntry(changed(change)));
    refuses(t, "BAD_ENTRY", `${what}, to a reader of plans`, () => readPlanEntry(changed(change)));
  }
  refuses(t, "NOT_CANONICAL", "a fraction", () => parseEntry(encodeUtf8('{"v":1.5}')));
  refuses(t, "TOO_DEEP", "deep nesting", () => parseEntry(encodeUtf8("[".repeat(20_000) + "]".repeat(20_000))));
  await rejects(t, "BAD_ENTRY", "a consent whose state is not its type", () =>
    buildEntry(
      { ...envelope, actor: device.subject, type: "consent.given", body: { record: recordOf(device, "refused", 1) } },
      device.signer,
    ),
  );
});

t.test("an entry of 65 535 bytes passes, one of 65 536 does not", async (t) => {
  const settings = (length: number) => {
    const plan = planBody(1, 4, []);
    const names = Array.from({ length: 40 }, (_, at) => [`s${at}`, "a".repeat(at === 0 ? length : 1_500)] as const);
    return { ...plan, trainer: { id: "x", settings: Object.fromEntries(names) } };
  };
  const draft = (length: number): EntryDraft => ({ ...envelope, type: "round.plan", body: settings(length) });
  const base = (await buildEntry(draft(1), operator)).length;
  // What is missing is spread over one setting and the log's unused names.
  const missing = 65_535 - base;
  const fill = (extra: number): EntryDraft => {
    const body = settings(1);
    const filler: Record<string, string> = {};
    let left = missing + extra;
    for (let at = 0; left > 0; at++) {
      const overhead = `,"f${at}":""`.length;
      const length = Math.min(1_900, left - overhead);
      // Leave enough for one more member, or nothing.
      const taken = left - overhead - length > 0 && left - overhead - length < 20 ? length - 20 : length;
      filler[`f${at}`] = "a".repeat(taken);
      left -= overhead + taken;
    }
    return {
      ...envelope,
      type: "round.plan",
      body: { ...body, trainer: { id: "x", settings: { ...body.trainer.settings, ...filler } } },
    };
  };
  const largest = await buildEntry(fill(0), operator);
  t.equal(largest.length, 65_535);
  t.ok(parseEntry(largest));
  await rejects(t, "TOO_LARGE", "65 536 bytes", () => buildEntry(fill(1), operator));
  refuses(t, "TOO_LARGE", "65 536 bytes read", () => parseEntry(new Uint8Array(65_536).fill(0x20)));
});

t.test("fresh ids are 16 bytes and differ", async (t) => {
  t.match(newEntryId(), /^[A-Za-z0-9_-]{21}[AQgw]$/);
  t.not(newEntryId(), newEntryId());
});

t.test("an author's chain links its own entries only", async (t) => {
  const author = new LogAuthor();
  await author.write({ type: "policy.publish", body: policyBody() });
  await author.consent(testDevice(2), "given");
  await author.write({ type: "heartbeat", body: {} });
  const entries = author.entries.map(parseEntry);
  t.equal(entries[2]?.aprev, author.leafHashes[0]);
  t.equal(entries[1]?.aprev, null);
});
