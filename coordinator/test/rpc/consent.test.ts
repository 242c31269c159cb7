import { createHash } from "node:crypto";
import { encodeBase64Url, leafHash, openCheckpoint, verifyConsistency, verifyInclusion } from "@fedloop/consent";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { Consent, type GetConsentResponse, type LogReceipt } from "@fedloop/proto";
import t, { type Test } from "tap";
import { Federation } from "../server/federation.js";
import { POPULATION, PURPOSE } from "../server/plans.js";
import { callOpen, RawDevice, refusal } from "./raw-device.js";

const MINUTE_MS = 60_000;

async function checkReceipt(t: Test, federation: Federation, receipt: LogReceipt, entry: Uint8Array): Promise<void> {
  const vkey = federation.coordinator.verifierKey;
  const { size, root } = await openCheckpoint(receipt.checkpoint, { vkey }, nodeVerifier());
  const index = Number(receipt.index);
  t.ok(verifyInclusion({ leafHash: leafHash(entry), index, size, path: receipt.inclusionPath, root }));
}

t.test("an entry that its device may not write is refused, and nothing of it is kept", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport, { consents: false });
  const other = await RawDevice.enter(federation.transport, { consents: false });
  const size = federation.coordinator.ledger.size;
  const future = Date.now() + 6 * MINUTE_MS;
  const strange = encodeBase64Url(generateNodeSigner().publicKey);
  const notice = { uri: "urn:other", sha256: createHash("sha256").digest("base64url"), language: "en" };
  const hostile: readonly (readonly [string, Uint8Array, string])[] = [
    ["no entry", Buffer.from("{}"), "BAD_ENTRY"],
    ["no JSON", Buffer.from("consent, I swear"), "BAD_ENTRY"],
    ["an entry beyond the size of one", new Uint8Array(65_536), "BAD_ENTRY"],
    ["another participant's", await other.consent("given"), "WRONG_SUBJECT"],
    [
      "another participant's in its own name",
      await device.consent("given", { record: { subject: other.subject } }),
      "WRONG_SUBJECT",
    ],
    ["another log's", await device.consent("given", { log: "example.org/other" }), "BAD_ENTRY"],
    ["of the future", await device.consent("given", { ts: future }), "CLOCK_SKEW"],
    ["about another population", await device.consent("given", { record: { population: "strangers" } }), "BAD_ENTRY"],
    ["about a purpose that was not asked", await device.consent("given", { record: { purpose: "ads" } }), "BAD_ENTRY"],
    ["with another key in it", await device.consent("given", { record: { key: strange } }), "BAD_ENTRY"],
    ["about an older policy", await device.consent("given", { record: { policy: 7 } }), "STALE_POLICY"],
    ["about another notice", await device.consent("given", { record: { notice } }), "STALE_POLICY"],
    ["of another controller", await device.consent("given", { record: { controller: "Someone" } }), "STALE_POLICY"],
    ["signed by another key", await device.consent("given", { signer: other.signer }), "BAD_SIGNATURE"],
    [
      "superseding what is not there",
      await device.consent("given", { record: { supersedes: notice.sha256 } }),
      "WITHDRAWN_LATER",
    ],
    [
      "that ended before it began",
      await device.consent("given", { record: { event: { time: 2, validUntil: 1, state: "given" } } }),
      "BAD_ENTRY",
    ],
  ];
  for (const [name, entry, code] of hostile) {
    await t.rejects(device.call(Consent.method.recordConsent, { entry }), refusal(code), name);
  }
  t.equal(federation.coordinator.ledger.size, size);
  const entry = await device.consent("given");
  await checkReceipt(t, federation, await device.record(entry), entry);
  t.same(federation.faults, []);
});

t.test("the same entry again gets its first place again, and undoes nothing that came after it", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport, { consents: false });
  const given = await device.consent("given");
  const { index } = await device.record(given);
  const withdrawn = await device.consent("withdrawn");
  await device.record(withdrawn);
  const again = await device.call(Consent.method.recordConsent, { entry: given });
  t.equal(again.receipt?.index, index);
  if (again.receipt !== undefined) await checkReceipt(t, federation, again.receipt, given);
  t.equal((await federation.entries("consent.given")).length, 1);
  const status = federation.coordinator.ledger.view.status(device.subject, PURPOSE);
  t.equal(status.state, "withdrawn", "a repeated consent does not undo the withdrawal after it");
});

t.test("who names the tree that it knows gets the proof that the log grew from it with its receipt", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport, { consents: false });
  const { size, text } = federation.coordinator.ledger.checkpoint();
  const entry = await device.consent("given");
  const record = (knownTreeSize?: bigint) =>
    device.call(Consent.method.recordConsent, { entry, ...(knownTreeSize === undefined ? {} : { knownTreeSize }) });
  const { receipt, consistency } = await record(BigInt(size));
  const vkey = federation.coordinator.verifierKey;
  const [older, newer] = await Promise.all(
    [text, receipt?.checkpoint ?? ""].map((note) => openCheckpoint(note, { vkey }, nodeVerifier())),
  );
  if (older === undefined || newer === undefined) throw new Error("expected two checkpoints");
  t.same([consistency?.oldSize, consistency?.newSize], [BigInt(older.size), BigInt(newer.size)]);
  const grown = { oldSize: older.size, oldRoot: older.root, newSize: newer.size, newRoot: newer.root };
  t.ok(verifyConsistency({ ...grown, path: consistency?.path ?? [] }));
  for (const none of [undefined, 0n, BigInt(size + 100)]) t.equal((await record(none)).consistency, undefined);
});

t.test("two entries in the same place of the chain: one is taken, the other refused", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport, { consents: false });
  const entries = await Promise.all([device.consent("given"), device.consent("refused")]);
  const outcomes = await Promise.allSettled(
    entries.map((entry) => device.call(Consent.method.recordConsent, { entry })),
  );
  t.same(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  t.match(
    outcomes.find(({ status }) => status === "rejected"),
    { reason: refusal("CHAIN_BROKEN") },
  );
});

t.test("a withdrawal is taken however old or new its time, and whatever has become of the policy", async (t) => {
  const federation = await Federation.open(t);
  for (const ts of [1, Date.now() + 60 * MINUTE_MS]) {
    const device = await RawDevice.enter(federation.transport);
    await device.record(await device.consent("withdrawn", { ts, record: { policy: 1 } }));
    t.equal(federation.coordinator.ledger.view.status(device.subject, PURPOSE).state, "withdrawn");
  }
});

t.test("what the coordinator holds as the latest decision is told with its proof", async (t) => {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport, { consents: false });
  const ask = (): Promise<GetConsentResponse> =>
    device.call(Consent.method.getConsent, { population: POPULATION, purpose: PURPOSE });
  t.match(await ask(), { nextActorSequence: 0n, previousLeafHash: new Uint8Array() });
  t.equal((await ask()).latest, undefined);
  const entry = await device.consent("given");
  await device.record(entry);
  const { latest, nextActorSequence, previousLeafHash } = await ask();
  t.equal(Buffer.from(latest?.entry ?? []).toString(), Buffer.from(entry).toString());
  if (latest !== undefined) await checkReceipt(t, federation, latest, entry);
  t.equal(nextActorSequence, 1n);
  t.same(Buffer.from(previousLeafHash), Buffer.from(leafHash(entry)));
  const elsewhere = { population: POPULATION, purpose: "ads" };
  t.equal((await device.call(Consent.method.getConsent, elsewhere)).latest, undefined);
  const refused = device.call(Consent.method.getConsent, { population: "strangers", purpose: PURPOSE });
  await t.rejects(refused, refusal("UNKNOWN_POPULATION"));
});

t.test("the notice comes byte for byte, with the policy that names its hash", async (t) => {
  const federation = await Federation.open(t);
  const answer = await callOpen(federation.transport, Consent.method.getNotice, { population: POPULATION });
  t.equal(Buffer.from(answer.notice).toString(), "Your ratings train a model. They stay with you.\n");
  t.equal(answer.mediaType, "text/markdown");
  t.equal(answer.policy?.index, 0n);
  const [policy] = await federation.entries("policy.publish");
  t.equal(policy?.body.notice, createHash("sha256").update(answer.notice).digest("base64url"));
});
