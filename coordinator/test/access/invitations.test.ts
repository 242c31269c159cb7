import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import t, { type Test } from "tap";
import { openAccessStore } from "../../src/access/access-store.js";
import { Invitations, type InvitationTerms } from "../../src/access/invitations.js";
import { manualClock } from "../ledger/fixture.js";
import { enrolment, start as startRegistry } from "../registry/fixture.js";
import { temporaryFolder } from "../temporary-folder.js";

const DAY_MS = 24 * 60 * 60 * 1_000;
const TERMS: InvitationTerms = { name: "class of 2026", population: "lecturers", uses: 2, lifeMs: DAY_MS };
const key = (): Uint8Array => randomBytes(32);

async function start(t: Test, path = ":memory:") {
  const store = await openAccessStore(path);
  t.teardown(() => store.close());
  const clock = manualClock();
  return { invitations: new Invitations(store, clock), clock, store };
}

t.test("an invitation lets in as many devices as it says, each once, and no more", async (t) => {
  const { invitations, clock } = await start(t);
  const { invitation, id } = await invitations.create(TERMS);
  const first = key();
  await invitations.admit(invitation, "lecturers", first);
  await invitations.admit(invitation, "lecturers", first);
  t.match(await invitations.list(), [{ id, used: 1, state: "valid" }], "a repeated call uses it once");
  await invitations.admit(invitation, "lecturers", key());
  await t.rejects(invitations.admit(invitation, "lecturers", key()), { code: "TOKEN_USED" });
  await t.resolves(invitations.admit(invitation, "lecturers", first), "who is in may ask again");
  clock.ms += 11 * 60 * 1_000;
  await t.rejects(invitations.admit(invitation, "lecturers", first), { code: "TOKEN_USED" });
  t.match(await invitations.list(), [{ used: 2, state: "used" }]);
});

t.test("of devices that come at the same moment, to two processes, no more than its uses are let in", async (t) => {
  const path = join(temporaryFolder(t), "access.sqlite");
  const { invitations } = await start(t, path);
  const { invitation } = await invitations.create({ ...TERMS, uses: 5 });
  // A thread of its own each: within one thread, a connection that waits for another would wait for itself.
  const doors = [0, 1].map(
    () => new Worker(new URL("./admitting.js", import.meta.url), { workerData: { path, invitation, devices: 10 } }),
  );
  const letIn = await Promise.all(doors.map(async (door) => Number((await once(door, "message"))[0])));
  t.equal((letIn[0] ?? 0) + (letIn[1] ?? 0), 5);
});

t.test("one that is unknown, of another population, expired or revoked lets nobody in", async (t) => {
  const { invitations, clock } = await start(t);
  const { invitation, id } = await invitations.create(TERMS);
  await t.rejects(invitations.admit(`${invitation}x`, "lecturers", key()), { code: "TOKEN_INVALID" });
  await t.rejects(invitations.admit(invitation, "schools", key()), { code: "TOKEN_INVALID" });
  clock.ms += DAY_MS;
  await t.rejects(invitations.admit(invitation, "lecturers", key()), { code: "TOKEN_EXPIRED" });
  clock.ms -= 1;
  await invitations.admit(invitation, "lecturers", key());
  await invitations.revoke(id);
  await t.rejects(invitations.admit(invitation, "lecturers", key()), { code: "TOKEN_INVALID" });
  await t.rejects(invitations.revoke("000000000000"), { code: "NOT_FOUND" });
  const anywhere = await invitations.create({ ...TERMS, population: null });
  await invitations.admit(anywhere.invitation, "schools", key());
});

t.test("nothing tells for long whom an invitation let in", async (t) => {
  const { invitations, clock, store } = await start(t);
  const { invitation } = await invitations.create({ ...TERMS, uses: 10 });
  await invitations.admit(invitation, "lecturers", key());
  clock.ms += 11 * 60 * 1_000;
  await invitations.admit(invitation, "lecturers", key());
  t.equal((await store.db.selectFrom("admissions").selectAll().execute()).length, 1);
});

t.test("a device enrolls by an invitation; it comes back without, and after leaving needs another", async (t) => {
  const { invitations, clock: invited } = await start(t);
  const { registry, clock } = await startRegistry(t, { type: "token", tokens: [], invitations });
  invited.ms = clock.ms;
  const { invitation } = await invitations.create({ ...TERMS, uses: 1 });
  await t.rejects(registry.enroll(enrolment(clock)), { code: "TOKEN_REQUIRED" });
  const first = enrolment(clock, undefined, { token: invitation });
  const device = await registry.enroll(first);
  await t.rejects(registry.enroll(enrolment(clock, undefined, { token: invitation })), { code: "TOKEN_USED" });
  t.match(await registry.enroll(first), { id: device.id });
});
