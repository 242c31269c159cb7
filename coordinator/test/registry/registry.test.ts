import { randomBytes } from "node:crypto";
import { generateNodeSigner, type NodeSigner } from "@fedloop/consent/node";
import t from "tap";
import type { Device } from "../../src/registry/device.js";
import { CLOCK_SKEW_MS, type Enrolment, SESSION_MS } from "../../src/registry/registry.js";
import { enrolment, POPULATION, sha256, start } from "./fixture.js";

t.test("a key that enrolls is a device with a pseudonym that says nothing about it", async (t) => {
  const { registry, clock } = await start(t);
  const signer = generateNodeSigner();
  const device = await registry.enroll(enrolment(clock, signer));
  t.match(device, { population: POPULATION, sessionExpiresMs: clock.now() + SESSION_MS });
  for (const id of [device.id, device.subject, device.session]) t.match(id, /^[A-Za-z0-9_-]{22}$/);
  t.equal(new Set([device.id, device.subject, device.session]).size, 3);
  t.same(await registry.subjects(POPULATION), [device.subject]);
  t.same(await registry.subjects("others"), []);
  const other = await registry.enroll(enrolment(clock));
  t.not(other.subject, device.subject);
  t.equal(await registry.count(POPULATION), 2);
});

t.test("a device's key is kept without the message that it came in", async (t) => {
  const { registry, clock } = await start(t);
  const message = (bytes: Uint8Array): Uint8Array =>
    new Uint8Array([...new Uint8Array(8_000), ...bytes]).subarray(8_000);
  const signer = generateNodeSigner();
  const { id } = await registry.enroll(enrolment(clock, signer, {}, { publicKey: message(signer.publicKey) }));
  const device = await registry.find(id);
  t.equal(device?.publicKey.buffer.byteLength, 32);
  if (device === undefined) return;
  const next = generateNodeSigner();
  await registry.rotateKey(device, message(next.publicKey), rotation(device, next));
  t.equal((await registry.find(id))?.publicKey.buffer.byteLength, 32);
});

t.test("the same key again is the same device in a new session, after a restart too", async (t) => {
  const { registry, clock, restarted } = await start(t);
  const signer = generateNodeSigner();
  const first = await registry.enroll(enrolment(clock, signer));
  const second = await restarted().enroll(enrolment(clock, signer));
  t.match(second, { id: first.id, subject: first.subject });
  t.not(second.session, first.session);
  const found = await restarted().find(first.id);
  t.match(found, { id: first.id, session: second.session });
  t.same(Buffer.from(found?.publicKey ?? []), Buffer.from(signer.publicKey));
  t.equal(await registry.count(POPULATION), 1);
});

const replayed = { code: "REPLAYED" };

t.test("an enrolment that arrives again is refused, and the session that it opened stays", async (t) => {
  const { registry, clock } = await start(t);
  const signer = generateNodeSigner();
  const sent = enrolment(clock, signer);
  const [first, twin] = await Promise.allSettled([registry.enroll(sent), registry.enroll(sent)]);
  if (first.status !== "fulfilled") throw first.reason;
  t.match(twin, { status: "rejected", reason: replayed });
  await t.rejects(registry.enroll(sent), replayed);
  t.equal((await registry.find(first.value.id))?.session, first.value.session, "the session is still in force");
  await t.rejects(registry.enroll({ ...sent, nonce: randomBytes(16) }), { code: "BAD_SIGNATURE" });
  t.not((await registry.enroll(enrolment(clock, signer))).session, first.value.session);
  clock.ms += 2 * CLOCK_SKEW_MS;
  await t.rejects(registry.enroll(sent), { code: "CLOCK_SKEW" }, "and is forgotten when its time has passed");
});

t.test("an earlier enrolment is refused after a restart too, and at another coordinator", async (t) => {
  const { registry, clock, restarted } = await start(t);
  const signer = generateNodeSigner();
  const [earlier, last] = [enrolment(clock, signer), enrolment(clock, signer, { timeMs: clock.now() + 1 })];
  await registry.enroll(earlier);
  const { id, session } = await registry.enroll(last);
  for (const sent of [earlier, last]) {
    await t.rejects(restarted().enroll(sent), replayed);
    t.equal((await restarted().find(id))?.session, session);
  }
  t.equal((await restarted().enroll(enrolment(clock, signer, { timeMs: clock.now() + 2 }))).id, id, "a new one opens");
});

t.test("who repeats an enrolment does not bring back who has left", async (t) => {
  const { registry, clock, restarted } = await start(t);
  const sent = enrolment(clock);
  const device = await registry.enroll(sent);
  await registry.leave(device);
  for (const each of [registry, restarted()]) {
    await t.rejects(each.enroll(sent), replayed);
    t.equal(await each.find(device.id), undefined);
  }
});

t.test("a first enrolment that was sent twice at the same time makes one device", async (t) => {
  const { registry, clock } = await start(t);
  const signer = generateNodeSigner();
  const devices = await Promise.all(Array.from({ length: 8 }, () => registry.enroll(enrolment(clock, signer))));
  t.equal(new Set(devices.map(({ id }) => id)).size, 1);
  t.equal(new Set(devices.map(({ subject }) => subject)).size, 1);
  t.equal(await registry.count(POPULATION), 1);
  const found = await registry.find(devices[0]?.id ?? "");
  t.ok(devices.some(({ session }) => session === found?.session));
});

t.test("one key in two populations is two participants that nothing links", async (t) => {
  const { registry, clock, store } = await start(t);
  const row = { name: "others", plan: "{}", state: "running" as const, created_ms: 0 };
  await store.db.insertInto("populations").values(row).execute();
  const signer = generateNodeSigner();
  const here = await registry.enroll(enrolment(clock, signer));
  const there = await registry.enroll(enrolment(clock, signer, { population: "others" }));
  t.not(here.id, there.id);
  t.not(here.subject, there.subject);
});

t.test("an enrolment that is not what its key signed is refused", async (t) => {
  const { registry, clock } = await start(t);
  const signer = generateNodeSigner();
  const hostile: readonly (readonly [string, Enrolment, string])[] = [
    ["another key", enrolment(clock, signer, {}, { publicKey: generateNodeSigner().publicKey }), "BAD_SIGNATURE"],
    ["another nonce", enrolment(clock, signer, {}, { nonce: randomBytes(16) }), "BAD_SIGNATURE"],
    ["another time", enrolment(clock, signer, {}, { timeMs: clock.now() + 1 }), "BAD_SIGNATURE"],
    [
      "another population",
      enrolment(clock, signer, { population: "others" }, { population: POPULATION }),
      "BAD_SIGNATURE",
    ],
    ["no signature", enrolment(clock, signer, {}, { signature: new Uint8Array() }), "BAD_SIGNATURE"],
    ["a short key", enrolment(clock, signer, {}, { publicKey: new Uint8Array(31) }), "BAD_REQUEST"],
    ["the key of zeros", enrolment(clock, signer, {}, { publicKey: new Uint8Array(32) }), "BAD_SIGNATURE"],
    ["a short nonce", enrolment(clock, signer, {}, { nonce: new Uint8Array(15) }), "BAD_REQUEST"],
    ["an old time", enrolment(clock, signer, { timeMs: clock.now() - CLOCK_SKEW_MS - 1 }), "CLOCK_SKEW"],
    ["a future time", enrolment(clock, signer, { timeMs: clock.now() + CLOCK_SKEW_MS + 1 }), "CLOCK_SKEW"],
    ["an unknown population", enrolment(clock, signer, { population: "strangers" }), "UNKNOWN_POPULATION"],
  ];
  for (const [name, each, code] of hostile) await t.rejects(registry.enroll(each), { code }, name);
  t.equal(await registry.count(POPULATION), 0);
  await t.resolves(registry.enroll(enrolment(clock, signer)));
});

const MORNING = 1_700_000_000_000;

t.test("where invitations are asked for, only one that is known and in force opens the door", async (t) => {
  const tokens = [
    { sha256: sha256("spring"), expiresMs: MORNING + 1_000 },
    { sha256: sha256("winter"), expiresMs: MORNING - 1 },
  ];
  const { registry, clock } = await start(t, { type: "token", tokens });
  const enroll = (token: string): Promise<Device> => registry.enroll(enrolment(clock, generateNodeSigner(), { token }));
  await t.rejects(enroll(""), { code: "TOKEN_REQUIRED" });
  await t.rejects(enroll("Spring"), { code: "TOKEN_INVALID" });
  await t.rejects(enroll("x".repeat(100_000)), { code: "TOKEN_INVALID" });
  await t.rejects(enroll("winter"), { code: "TOKEN_EXPIRED" });
  await t.resolves(enroll("spring"));
  clock.ms += 1_000;
  await t.rejects(enroll("spring"), { code: "TOKEN_EXPIRED" });
  t.equal(await registry.count(POPULATION), 1);
});

t.test("who was invited once comes back without an invitation, until it leaves", async (t) => {
  const tokens = [{ sha256: sha256("spring"), expiresMs: MORNING + 1_000 }];
  const { registry, clock } = await start(t, { type: "token", tokens });
  const signer = generateNodeSigner();
  const device = await registry.enroll(enrolment(clock, signer, { token: "spring" }));
  clock.ms += SESSION_MS;
  const again = await registry.enroll(enrolment(clock, signer));
  t.equal(again.subject, device.subject);
  t.equal((await registry.enroll(enrolment(clock, signer, { token: "spring" }))).subject, device.subject);
  await registry.leave(again);
  await t.rejects(registry.enroll(enrolment(clock, signer)), { code: "TOKEN_REQUIRED" });
});

t.test("who has left is not found, not counted, and comes back as the same participant", async (t) => {
  const { registry, clock, restarted } = await start(t);
  const signer = generateNodeSigner();
  const device = await registry.enroll(enrolment(clock, signer));
  await registry.leave(device);
  t.equal(await registry.find(device.id), undefined);
  t.equal(await restarted().find(device.id), undefined);
  t.same(await registry.subjects(POPULATION), []);
  t.equal((await registry.enroll(enrolment(clock, signer))).subject, device.subject);
  t.same(await registry.subjects(POPULATION), [device.subject]);
});

/** The new key's signature over the rotation. */
function rotation(device: Device, signer: NodeSigner): Uint8Array {
  const key = Buffer.from(signer.publicKey).toString("base64url");
  return signer.sign(Buffer.from(`fedloop-rotate/v1\n${device.id}\n${key}\n`));
}

t.test("a key is replaced only by one that signs for it, and by none that another device has", async (t) => {
  const { registry, clock, restarted } = await start(t);
  const device = await registry.enroll(enrolment(clock));
  const next = generateNodeSigner();
  const taken = generateNodeSigner();
  await registry.enroll(enrolment(clock, taken));
  await t.rejects(registry.rotateKey(device, next.publicKey, rotation(device, taken)), { code: "BAD_SIGNATURE" });
  await t.rejects(registry.rotateKey(device, new Uint8Array(32), rotation(device, next)), { code: "BAD_SIGNATURE" });
  await t.rejects(registry.rotateKey(device, taken.publicKey, rotation(device, taken)), { code: "CONFLICT" });
  await registry.rotateKey(device, next.publicKey, rotation(device, next));
  for (const each of [registry, restarted()]) {
    const found = await each.find(device.id);
    t.same(Buffer.from(found?.publicKey ?? []), Buffer.from(next.publicKey));
    t.equal(found?.session, device.session, "the session goes on");
  }
});
