import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ClientError, memoryStore, type Participant } from "@fedloop/client-runtime";
import {
  decodeBase64Url,
  decryptPayload,
  type EntryOf,
  opensCommitment,
  parseEntry,
  verifyExport,
  verifyReceipt,
} from "@fedloop/consent";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { Consent } from "@fedloop/proto";
import t, { type Test } from "tap";
import { type ErasureStep, Erasures } from "../../src/vault/erasures.js";
import { Vault } from "../../src/vault/vault.js";
import { callOpen, RawDevice, refusal } from "../rpc/raw-device.js";
import { Federation } from "../server/federation.js";
import { ConstantTrainer, TERMS } from "../server/people.js";
import { POPULATION, PURPOSE } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";
import { filesHolding } from "./searching.js";

const ACCOUNT = "alice@example.org";
const WITH_ACCOUNT = { ...TERMS, personal: { account: ACCOUNT } };

function operatorKey(entries: EntryOf<"policy.publish">[]): Uint8Array {
  return decodeBase64Url(entries[0]?.body.operatorKey ?? "");
}

/** The device id that the coordinator knows the participant by. */
async function deviceIdOf(federation: Federation, participant: Participant): Promise<string> {
  const { device_id } = await federation.coordinator.store.db
    .selectFrom("devices")
    .select("device_id")
    .where("subject", "=", participant.subject)
    .executeTakeFirstOrThrow();
  return Buffer.from(device_id).toString("base64url");
}

t.test("one call exports all that is held about a participant, with a receipt that verifies offline", async (t) => {
  const federation = await Federation.open(t);
  const people = await Promise.all([1, 2].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  const alice = await federation.join({ consent: WITH_ACCOUNT, trainer: new ConstantTrainer(4) });
  await Promise.all([federation.run(), ...[...people, alice].map((person) => federation.takePart(person))]);
  const { coordinator, receipts } = await alice.export();
  if (coordinator === null) throw new Error("expected the coordinator's part");
  const document = JSON.parse(coordinator.document);
  t.equal(document.subject, alice.subject);
  t.equal(document.entries.length, 1);
  t.same(document.entries[0].personal, { personal: { account: ACCOUNT } });
  t.match(document.rounds, [{ round: 1, consentIndex: document.entries[0].index }]);
  const claim = {
    log: alice.log.origin,
    subject: alice.subject,
    timeMs: coordinator.timeMs,
    document: new TextEncoder().encode(coordinator.document),
  };
  const signature = decodeBase64Url(coordinator.signature);
  const key = operatorKey(await federation.entries("policy.publish"));
  t.equal(await verifyExport(claim, signature, key, nodeVerifier()), true);
  for (const changed of [{ timeMs: 1 }, { subject: "x" }, { document: new Uint8Array(2) }, { log: "other" }])
    t.equal(await verifyExport({ ...claim, ...changed }, signature, key, nodeVerifier()), false);

  const given = receipts.find(({ type }) => type === "consent.given");
  const { entry, index } = await verifyReceipt(given?.proof ?? "", { vkey: alice.log.verifierKey }, nodeVerifier());
  t.equal(index, given?.index);
  t.equal(parseEntry(entry).actor, alice.subject);
  t.same(federation.faults, []);
});

t.test(
  "one call erases: no file holds the identity or a key of it, and every proof and every ε still verifies",
  async (t) => {
    const tiles = temporaryFolder(t);
    const federation = await Federation.open(t, { tiles });
    const store = memoryStore();
    const people = await Promise.all([1, 2].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
    const signer = generateNodeSigner();
    const alice = await federation.join({ consent: WITH_ACCOUNT, store, signer, trainer: new ConstantTrainer(4) });
    await Promise.all([federation.run(), ...[...people, alice].map((person) => federation.takePart(person))]);
    const before = await federation.audit();
    t.same(before.findings, []);

    const deviceId = await deviceIdOf(federation, alice);
    const subjectKey = await federation.coordinator.vault.subjects.find(deviceId);
    const [given] = (await federation.entries("consent.given")).filter(({ actor }) => actor === alice.subject);
    if (subjectKey === undefined || given?.enc === undefined) throw new Error("expected a key and a payload");
    t.match(decryptPayload(given, subjectKey, given.enc), { personal: { account: ACCOUNT } });
    const account = Buffer.from(ACCOUNT);
    // A backup of the data folder, without the vault, from before the erasure.
    const backup = temporaryFolder(t);
    cpSync(federation.folder, backup, {
      recursive: true,
      filter: (source) => !source.startsWith(join(federation.folder, "vault")),
    });
    t.not(filesHolding(federation.folder, Buffer.from(deviceId)).length, 0, "the search would find it");

    const { erasure, withdrawals } = await alice.erase();
    const trust = { vkey: federation.coordinator.verifierKey };
    const said = parseEntry((await verifyReceipt(erasure, trust, nodeVerifier())).entry);
    t.match(said, { type: "erasure", actor: "coordinator", body: { subject: alice.subject, reason: "requested" } });
    t.equal(withdrawals.length, 1);
    const withdrawn = parseEntry((await verifyReceipt(withdrawals[0] ?? "", trust, nodeVerifier())).entry);
    t.match(withdrawn, { type: "consent.withdrawn", actor: alice.subject });

    t.same(await store.keys(""), [], "nothing is left on the device");
    for (const [what, needle] of [
      ["account", account],
      ["subject key", subjectKey],
      ["device id", Buffer.from(deviceId, "base64url")],
      ["device id as text", Buffer.from(deviceId)],
    ] as const) {
      t.same(filesHolding(federation.folder, needle), [], `${what} in the data folder and the vault`);
      t.same(filesHolding(tiles, needle), [], `${what} in the tiles`);
    }
    t.ok(readdirSync(tiles).length > 0);
    for (const needle of [account, subjectKey]) t.same(filesHolding(backup, needle), [], "nor in a backup of the data");
    const after = await federation.audit();
    t.same(after.findings, []);
    t.equal(after.populations[0]?.epsilon, before.populations[0]?.epsilon);
    t.same(federation.faults, []);
  },
);

t.test("who is erased is gone: the session is over, the key refused, the pseudonym never used again", async (t) => {
  const federation = await Federation.open(t);
  const signer = generateNodeSigner();
  const alice = await federation.join({ signer });
  await alice.erase();
  await t.rejects(alice.erase(), { code: "NOT_ENROLLED" });
  await t.rejects(federation.join({ signer }), refusal("ERASED"));
  const anew = await federation.join();
  t.not(anew.subject, alice.subject);
  t.equal(federation.coordinator.ledger.view.status(alice.subject, PURPOSE).state, "none");
  await federation.close();
  const reopened = await Federation.open(t, { dataDir: federation.folder });
  await t.rejects(reopened.join({ signer }), refusal("ERASED"), "a restart forgets it not");
  await t.rejects(
    callOpen(reopened.transport, Consent.method.getErasure, { subject: anew.subject }),
    refusal("NOT_FOUND"),
  );
});

t.test("a participant whose answer was lost erases again and gets the same receipt", async (t) => {
  const federation = await Federation.open(t);
  const { transport } = federation;
  let lost = 0;
  const alice = await federation.join({
    transport: {
      ...transport,
      serverStream: (...words) => transport.serverStream(...words),
      close: () => transport.close(),
      unary: async (method, ...words) => {
        const answer = await transport.unary(method, ...words);
        if (method.name !== "Erase" || lost++ > 0) return answer;
        throw new ClientError("UNAVAILABLE", "cut");
      },
    },
  });
  const { erasure, subject } = await alice.erase();
  t.equal(lost, 1, "the first answer never came");
  const trust = { vkey: federation.coordinator.verifierKey };
  t.match(parseEntry((await verifyReceipt(erasure, trust, nodeVerifier())).entry), { body: { subject } });
  t.equal((await federation.entries("erasure")).length, 1);
});

t.test("erasing takes the participant's own withdrawals and nothing else", async (t) => {
  const federation = await Federation.open(t);
  const [mine, other] = [await RawDevice.enter(federation.transport), await RawDevice.enter(federation.transport)];
  const erase = (withdrawals: Uint8Array[]) => mine.call(Consent.method.erase, { withdrawals });
  await t.rejects(erase([await other.consent("withdrawn")]), refusal("WRONG_SUBJECT"));
  await t.rejects(erase([await mine.consent("given")]), refusal("BAD_ENTRY"));
  t.equal((await federation.entries("erasure")).length, 0);
  t.equal(federation.coordinator.ledger.view.permits(mine.subject, PURPOSE), true, "nothing of it happened");
});

/** Opens, erases up to a step, and closes as if the process had ended there. */
async function interrupted(t: Test, last: ErasureStep): Promise<{ folder: string; subject: string; deviceId: string }> {
  const federation = await Federation.open(t);
  const device = await RawDevice.enter(federation.transport);
  const { store, ledger, vault } = federation.coordinator;
  const registered = await federation.coordinator.registry.find(device.deviceId);
  if (registered === undefined) throw new Error("expected a registered device");
  const onStep = (step: ErasureStep): void => {
    if (step === last) throw new Error("interrupted");
  };
  const erasures = await Erasures.open({ store, ledger, vault, clock: { now: () => Date.now() } }, onStep);
  await t.rejects(erasures.erase(registered, [await device.consent("withdrawn")]), /interrupted/);
  await federation.close();
  return { folder: federation.folder, subject: device.subject, deviceId: device.deviceId };
}

t.test("an erasure that ends after any step is completed when the coordinator opens again", async (t) => {
  for (const last of ["withdrawn", "key destroyed", "said", "scrubbed"] as const) {
    const { folder, subject, deviceId } = await interrupted(t, last);
    const federation = await Federation.open(t, { dataDir: folder });
    const [erasure, ...more] = await federation.entries("erasure");
    t.equal(erasure?.body.subject, subject, last);
    t.same(more, [], "said once");
    t.equal(await federation.coordinator.vault.subjects.find(deviceId), undefined);
    t.same(filesHolding(folder, Buffer.from(deviceId, "base64url")), []);
    t.same((await federation.audit()).findings, []);
    await federation.close();
  }
});

t.test("a vault restored from a backup loses again what was erased since, before anyone is served", async (t) => {
  const federation = await Federation.open(t);
  const [alice, bob] = [await federation.join(), await federation.join()];
  const [aliceId, bobId] = [await deviceIdOf(federation, alice), await deviceIdOf(federation, bob)];
  await federation.coordinator.vault.scrub();
  const backup = temporaryFolder(t);
  cpSync(join(federation.folder, "vault"), backup, { recursive: true });
  await alice.erase();
  await federation.close();
  cpSync(backup, join(federation.folder, "vault"), { recursive: true });
  const restored = await Vault.open({
    vaultDir: join(federation.folder, "vault"),
    keyDir: join(federation.folder, "keys", "vault"),
  });
  t.ok(await restored.subjects.find(aliceId), "the backup has it");
  restored.close();
  const reopened = await Federation.open(t, { dataDir: federation.folder });
  t.equal(await reopened.coordinator.vault.subjects.find(aliceId), undefined);
  t.ok(await reopened.coordinator.vault.subjects.find(bobId));
  t.same(filesHolding(join(federation.folder, "vault"), Buffer.from(aliceId)), []);
});

t.test("subject keys that an earlier version kept in the database move into the vault", async (t) => {
  const federation = await Federation.open(t);
  const alice = await federation.join();
  const deviceId = await deviceIdOf(federation, alice);
  const { vault, store } = federation.coordinator;
  const key = await vault.subjects.find(deviceId);
  if (key === undefined) throw new Error("expected a key");
  await vault.subjects.destroy(deviceId);
  await store.db
    .insertInto("subject_keys")
    .values({ device_id: Buffer.from(deviceId, "base64url"), subject_key: key })
    .execute();
  await federation.close();
  t.not(filesHolding(federation.folder, key).length, 0);
  const reopened = await Federation.open(t, { dataDir: federation.folder });
  t.same(await reopened.coordinator.vault.subjects.find(deviceId), key);
  t.same(filesHolding(federation.folder, key), []);
});

t.test("a guardian's name is encrypted, and the log's commitment opens to it and to no other", async (t) => {
  const federation = await Federation.open(t);
  const guardian = "Carol Example, mother";
  const child = await federation.join({
    consent: { ...TERMS, ageBand: "minor", guardian, decide: () => ({ given: true, by: "guardian" }) },
  });
  const [given] = await federation.entries("consent.given");
  if (given?.enc === undefined) throw new Error("expected a payload");
  const { record } = given.body;
  t.match(record, { ageBand: "minor", event: { actor: "guardian" } });
  const key = await federation.coordinator.vault.subjects.find(await deviceIdOf(federation, child));
  const payload = decryptPayload(given, key ?? new Uint8Array(32), given.enc) as { guardianOpening: string };
  t.equal(opensCommitment(record.guardian ?? "", decodeBase64Url(payload.guardianOpening), guardian), true);
  t.equal(opensCommitment(record.guardian ?? "", decodeBase64Url(payload.guardianOpening), "Dave"), false);
  t.same(filesHolding(federation.folder, Buffer.from(guardian)), []);
  mkdirSync(join(federation.folder, "found"));
  t.equal(POPULATION, record.population);
});
