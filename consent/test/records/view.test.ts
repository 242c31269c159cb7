import t from "tap";
import {
  admitEntry,
  type ConsentRecord,
  ConsentView,
  eligibleRoot,
  encodeBase64Url,
  encodeUtf8,
  expectedKey,
  joinMessage,
  parseEntry,
  sha256Text,
  subjectPseudonym,
} from "../../src/index.js";
import { LogAuthor, logName, policyBody, population, purpose, testDevice } from "../author.js";
import { refuses, rejects } from "../refusals.js";

async function publishedLog(): Promise<LogAuthor> {
  const author = new LogAuthor();
  await author.write({ type: "policy.publish", body: policyBody() });
  return author;
}

t.test("without any entry everything is denied", async (t) => {
  const view = new ConsentView();
  t.strictSame(view.status("nobody", purpose), { state: "none", index: -1, leafHash: "", record: null });
  t.equal(view.permits("nobody", purpose), false);
  t.strictSame(view.eligible(population, purpose), []);
});

t.test("the latest decision counts, by index", async (t) => {
  const author = await publishedLog();
  const device = testDevice(1);
  for (const [state, expected] of [
    ["refused", "refused"],
    ["given", "given"],
    ["reaffirmed", "given"],
    ["withdrawn", "withdrawn"],
    ["given", "given"],
    ["expired", "expired"],
  ] as const) {
    const index = await author.consent(device, state);
    const status = author.view.status(device.subject, purpose);
    t.equal(status.state, expected);
    t.equal(status.index, index);
    t.equal(status.leafHash, author.leafHashes[index]);
    t.equal(author.view.permits(device.subject, purpose), expected === "given");
  }
});

t.test("a consent covers its own purpose and no other", async (t) => {
  const author = await publishedLog();
  const device = testDevice(1);
  await author.consent(device, "given");
  t.equal(author.view.permits(device.subject, "measure-clicks"), false);
  t.equal(author.view.permits(testDevice(2).subject, purpose), false);
});

t.test("a consent ends at its validUntil", async (t) => {
  const author = await publishedLog();
  const device = testDevice(1);
  const time = author.now;
  await author.consent(device, "given", { event: { time, validUntil: time + 10, state: "given" } });
  t.equal(author.view.status(device.subject, purpose, time + 9).state, "given");
  t.equal(author.view.status(device.subject, purpose, time + 10).state, "expired");
  t.strictSame(author.view.eligible(population, purpose, time + 10), []);
});

t.test("a changed policy asks again", async (t) => {
  const author = await publishedLog();
  const device = testDevice(1);
  await author.consent(device, "given");
  const changed = policyBody({ policy: 2, notice: sha256Text(encodeUtf8("a new notice")) });
  await author.write({ type: "policy.publish", body: changed });
  t.equal(author.view.status(device.subject, purpose).state, "expired");
  await rejects(t, "STALE_POLICY", "consent to the old notice", () => author.consent(device, "given"));
  await author.consent(device, "given", {
    policy: 2,
    notice: { uri: changed.noticeUri, sha256: changed.notice, language: "en" },
  });
  t.equal(author.view.permits(device.subject, purpose), true);
});

t.test("the eligible are those who may be selected, in order, and their root depends on each", async (t) => {
  const author = await publishedLog();
  const devices = [1, 2, 3, 4, 5].map(testDevice);
  for (const device of devices) await author.consent(device, "given");
  const [first, ...rest] = devices;
  if (first === undefined) throw new Error("no device");
  await author.consent(first, "withdrawn");
  const eligible = author.view.eligible(population, purpose);
  t.strictSame(eligible, rest.map(({ subject }) => subject).sort());
  t.strictSame(author.view.eligible("another", purpose), []);
  t.equal(eligibleRoot(eligible), eligibleRoot(eligible.toReversed()));
  t.not(eligibleRoot(eligible), eligibleRoot(eligible.slice(1)));
  t.equal(eligibleRoot([]), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
});

t.test("entries must be applied in order", async (t) => {
  const author = await publishedLog();
  const [first] = author.entries;
  if (first === undefined) throw new Error("no entry");
  refuses(t, "OUT_OF_RANGE", "a repeated index", () => author.view.apply(0, parseEntry(first)));
  refuses(t, "OUT_OF_RANGE", "a gap", () => new ConsentView().apply(1, parseEntry(first)));
});

t.test("consents that may not stand are refused with the reason", async (t) => {
  const author = await publishedLog();
  const device = testDevice(1);
  const other = testDevice(2);
  await author.consent(device, "given");
  await author.consent(other, "given");
  const supersedes = device.supersedes;
  const cases: readonly (readonly [Parameters<typeof rejects>[1], string, Partial<ConsentRecord>])[] = [
    ["WRONG_SUBJECT", "for someone else", { subject: other.subject }],
    ["WRONG_SUBJECT", "with another key", { key: encodeBase64Url(other.signer.publicKey) }],
    ["WITHDRAWN_LATER", "superseding nothing", { supersedes: null }],
    ["WITHDRAWN_LATER", "superseding another decision", { supersedes: other.supersedes }],
    ["STALE_POLICY", "another policy version", { policy: 2 }],
    [
      "STALE_POLICY",
      "other notice bytes under the same URI",
      { notice: { ...policyNotice(), sha256: sha256Text(encodeUtf8("?")) } },
    ],
    ["STALE_POLICY", "another notice URI", { notice: { ...policyNotice(), uri: "https://evil.example" } }],
    ["STALE_POLICY", "another language", { notice: { ...policyNotice(), language: "de" } }],
    ["STALE_POLICY", "another controller", { controller: "Someone Else" }],
    ["STALE_POLICY", "a purpose that was not published", { purpose: "sell-data", supersedes: null }],
    ["STALE_POLICY", "a population without policy", { population: "others", purpose: "x", supersedes: null }],
    ["WRONG_SUBJECT", "a pseudonym used in two populations", { population: "others" }],
    ["BAD_ENTRY", "an end before the beginning", { event: { time: 5, validUntil: 5, state: "given" } }],
    ["BAD_ENTRY", "a minor without guardian", { ageBand: "minor" }],
    ["BAD_ENTRY", "a guardian who did not act", { ageBand: "minor", guardian: "ref-1" }],
    ["BAD_ENTRY", "Global Privacy Control unheeded", { signals: { gpc: true } }],
  ];
  for (const [code, what, changes] of cases)
    await rejects(t, code, what, () => author.consent(device, "given", changes));
  t.equal(device.supersedes, supersedes);
  await author.consent(device, "given", { signals: { gpc: true, conflictConfirmed: true } });
  const byGuardian = { time: author.now, validUntil: null, state: "given", actor: "guardian" } as const;
  await author.consent(device, "given", { ageBand: "minor", guardian: "ref-1", event: byGuardian });
  t.equal(author.view.permits(device.subject, purpose), true);
});

t.test("withdrawing is possible whatever has become of the policy", async (t) => {
  const author = await publishedLog();
  const device = testDevice(1);
  await author.consent(device, "given");
  await author.write({ type: "policy.publish", body: policyBody({ policy: 2, purposes: ["other"] }) });
  await author.consent(device, "withdrawn");
  t.equal(author.view.status(device.subject, purpose).state, "withdrawn");
  await rejects(t, "WITHDRAWN_LATER", "reaffirming what was withdrawn", () => author.consent(device, "reaffirmed"));
});

t.test("a chain with a repeated, skipped or re-rooted entry is refused", async (t) => {
  const author = await publishedLog();
  const device = testDevice(1);
  await author.consent(device, "given");
  const { sequence, previous } = device;
  for (const [what, place] of [
    ["repeated number", { sequence: 0, previous: null }],
    ["skipped number", { sequence: 2, previous }],
    ["another predecessor", { sequence, previous: author.leafHashes[0] ?? null }],
  ] as const) {
    const bytes = await author.consentBytes({ ...device, ...place }, "withdrawn");
    refuses(t, "CHAIN_BROKEN", what, () => admitEntry(author.view, parseEntry(bytes)));
  }
});

t.test("keys: the first entry brings it, later entries must be signed by it", async (t) => {
  const author = await publishedLog();
  const device = testDevice(1);
  const first = parseEntry(await author.consentBytes(device, "given"));
  t.equal(expectedKey(author.view, first), encodeBase64Url(device.signer.publicKey));
  await author.consent(device, "given");
  const impostor = { ...device, signer: testDevice(2).signer };
  const forged = parseEntry(await author.consentBytes(impostor, "withdrawn"));
  t.equal(expectedKey(author.view, forged), encodeBase64Url(device.signer.publicKey));
  refuses(t, "WRONG_SUBJECT", "a record with another key", () => admitEntry(author.view, forged));
  refuses(t, "CHAIN_BROKEN", "a coordinator's entry in an empty log", () =>
    expectedKey(
      new ConsentView(),
      parseEntry(author.entries[0] === undefined ? new Uint8Array() : heartbeatOf(author)),
    ),
  );
});

t.test("after an erasure nothing of the subject's is left or accepted", async (t) => {
  const author = await publishedLog();
  const device = testDevice(1);
  await author.consent(device, "given");
  await author.consent(device, "withdrawn");
  await author.write({ type: "erasure", body: { subject: device.subject, reason: "requested" } });
  t.equal(author.view.status(device.subject, purpose).state, "none");
  t.equal(author.view.isErased(device.subject), true);
  await rejects(t, "WRONG_SUBJECT", "a new consent", () => author.consent(device, "given", { supersedes: null }));
});

t.test("policy versions rise by one", async (t) => {
  const author = await publishedLog();
  for (const policy of [1, 3])
    await rejects(t, "STALE_POLICY", `version ${policy}`, () =>
      author.write({ type: "policy.publish", body: policyBody({ policy }) }),
    );
  await rejects(t, "BAD_ENTRY", "another operator key", () =>
    author.write({ type: "policy.publish", body: policyBody({ policy: 2, operatorKey: sha256Text(encodeUtf8("k")) }) }),
  );
});

t.test("a join names log, plan, population, round and subject", async (t) => {
  const message = joinMessage({ log: logName, plan: "p", population, round: 3, subject: "s" });
  t.equal(
    new TextDecoder().decode(message),
    'fedloop-join/v1\n{"log":"log.example/2026","plan":"p","population":"course-ratings","round":3,"subject":"s"}',
  );
});

t.test(
  "a pseudonym is the first 16 bytes of HMAC-SHA-256 (RFC 4231, test case 1 padded to 32 bytes of key)",
  async (t) => {
    // HMAC pads short keys with zeros, so the 20-byte key of the RFC may be given as 32 bytes.
    const key = new Uint8Array(32);
    key.fill(0x0b, 0, 20);
    t.equal(
      subjectPseudonym(key, "Hi There"),
      Buffer.from("b0344c61d8db38535ca8afceaf0bf12b", "hex").toString("base64url"),
    );
    refuses(t, "BAD_KEY", "a short key", () => subjectPseudonym(new Uint8Array(16), population));
  },
);

function policyNotice(): ConsentRecord["notice"] {
  const { noticeUri: uri, notice: sha256, language } = policyBody();
  return { uri, sha256, language };
}

function heartbeatOf(author: LogAuthor): Uint8Array {
  const text = new TextDecoder().decode(author.entries[0]);
  const { log, id, ts, sig } = JSON.parse(text);
  const entry = { actor: "coordinator", aprev: null, aseq: 0, body: {}, id, log, sig, ts, type: "heartbeat", v: 1 };
  return encodeUtf8(JSON.stringify(entry));
}
