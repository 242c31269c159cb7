// What every access store does, whatever database is behind it.
import { randomBytes } from "node:crypto";
import type { Test } from "tap";
import type { AccessStore } from "../../src/access/access-store.js";
import { AccessTokens, LONGEST_LIFE_MS, type TokenTerms } from "../../src/access/access-tokens.js";
import { Invitations, type InvitationTerms } from "../../src/access/invitations.js";
import type { StoragePlaces } from "../../src/server/storage.js";
import { manualClock } from "../ledger/fixture.js";

export interface AccessUnderTest {
  /** Places of its own, with nothing in them. */
  place(t: Test): Promise<StoragePlaces>;
  open(place: StoragePlaces): Promise<AccessStore>;
  /** Tries to let so many devices in by an invitation, at once, as another process would. @returns how many it has let in */
  admitElsewhere(place: StoragePlaces, invitation: string, devices: number): Promise<number>;
  /** All that the database keeps of it. */
  contents(place: StoragePlaces, store: AccessStore): Promise<Buffer>;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
const TOKEN: TokenTerms = { name: "board", role: "viewer", populations: ["lecturers"], lifeMs: 30 * DAY_MS };
const INVITATION: InvitationTerms = { name: "class of 2026", population: "lecturers", uses: 2, lifeMs: DAY_MS };
const key = (): Uint8Array => randomBytes(32);

/** The suite. One behaviour a test. */
export function accessCompliance(t: Test, under: AccessUnderTest): void {
  const start = async (t: Test, at?: StoragePlaces) => {
    const place = at ?? (await under.place(t));
    const store = await under.open(place);
    t.teardown(() => store.close());
    const clock = manualClock();
    return { tokens: new AccessTokens(store, clock), invitations: new Invitations(store, clock), clock, store, place };
  };

  t.test("a token is good for what it was made for, until it expires", async (t) => {
    const { tokens, clock } = await start(t);
    const { token, tokenId } = await tokens.create(TOKEN);
    t.match(token, /^fedloop_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    t.match(await tokens.verify(token), { tokenId, name: "board", role: "viewer", populations: ["lecturers"] });
    clock.ms += 30 * DAY_MS - 1;
    t.ok(await tokens.verify(token));
    clock.ms += 1;
    t.equal(await tokens.verify(token), undefined);
    t.match(await tokens.list(), [{ tokenId, state: "expired" }]);
  });

  t.test("nothing else is let in: no near miss, no other secret, no id alone", async (t) => {
    const { tokens } = await start(t);
    const { token } = await tokens.create(TOKEN);
    const other = await tokens.create(TOKEN);
    const secret = token.slice(-43);
    const last = secret.endsWith("A") ? "B" : "A";
    for (const wrong of [
      "",
      secret,
      token.slice(0, -1),
      token.slice(0, -1) + last,
      `${token} `,
      token.toUpperCase(),
      `fedloop_${other.tokenId}_${secret}`,
      `fedloop_000000000000_${secret}`,
      `fedloop_${other.tokenId}_`,
    ]) {
      t.equal(await tokens.verify(wrong), undefined, JSON.stringify(wrong));
    }
  });

  t.test("a revoked token ends at once, and stays in the list", async (t) => {
    const { tokens, clock } = await start(t);
    const { token, tokenId } = await tokens.create(TOKEN);
    const kept = await tokens.create(TOKEN);
    await tokens.revoke(tokenId);
    clock.ms += 1;
    await tokens.revoke(tokenId);
    t.equal(await tokens.verify(token), undefined);
    t.ok(await tokens.verify(kept.token));
    const list = await tokens.list();
    t.match(
      list.find((it) => it.tokenId === tokenId),
      { state: "revoked", revokedMs: clock.now() - 1 },
    );
    await t.rejects(tokens.revoke("ffffffffffff"), { code: "NOT_FOUND" });
  });

  t.test("a rotated token has a successor of the same terms, and ends after the grace", async (t) => {
    const { tokens, clock } = await start(t);
    const before = await tokens.create(TOKEN);
    clock.ms += 10 * DAY_MS;
    const after = await tokens.rotate(before.tokenId, DAY_MS);
    t.not(after.token, before.token);
    t.match(after, { name: "board", role: "viewer", populations: ["lecturers"] });
    t.equal(after.expiresMs, clock.now() + TOKEN.lifeMs, "for as long as the one before was made for");
    clock.ms += DAY_MS - 1;
    t.ok(await tokens.verify(before.token));
    clock.ms += 1;
    t.equal(await tokens.verify(before.token), undefined);
    t.ok(await tokens.verify(after.token));
    await t.rejects(tokens.rotate(before.tokenId, DAY_MS), { code: "WRONG_STATE" });
    await tokens.rotate(after.tokenId, 100 * DAY_MS);
    clock.ms += TOKEN.lifeMs;
    t.equal(await tokens.verify(after.token), undefined, "a grace makes no token live longer");
  });

  t.test("a life of nothing, or of more than a year, is refused", async (t) => {
    const { tokens } = await start(t);
    for (const lifeMs of [0, -1, Number.NaN, LONGEST_LIFE_MS + 1]) {
      await t.rejects(tokens.create({ ...TOKEN, lifeMs }), { code: "USAGE" }, String(lifeMs));
    }
  });

  t.test("the secret is nowhere in the database, only its hash is", async (t) => {
    const { tokens, invitations, store, place } = await start(t);
    const { token, tokenId } = await tokens.create(TOKEN);
    const { invitation, id } = await invitations.create(INVITATION);
    const bytes = await under.contents(place, store);
    t.ok(bytes.includes(tokenId) && bytes.includes(id), "what is looked for would be found");
    for (const secret of [token.slice(-43), invitation.slice(-43)]) {
      t.notOk(bytes.includes(secret));
      t.notOk(bytes.includes(Buffer.from(secret, "base64url")));
      t.notOk(bytes.includes(Buffer.from(secret, "base64url").toString("hex")));
    }
  });

  t.test("what another process changes counts at once", async (t) => {
    const coordinator = await start(t);
    const command = await start(t, coordinator.place);
    const { token, tokenId } = await command.tokens.create(TOKEN);
    t.ok(await coordinator.tokens.verify(token));
    await command.tokens.revoke(tokenId);
    t.equal(await coordinator.tokens.verify(token), undefined);
    const { invitation, id } = await coordinator.invitations.create(INVITATION);
    await command.invitations.admit(invitation, "lecturers", key());
    t.match(await coordinator.invitations.list(), [{ id, used: 1 }]);
  });

  t.test("several that open it at once, and it is new, find one and the same", async (t) => {
    const place = await under.place(t);
    const [one, two, three] = await Promise.all([start(t, place), start(t, place), start(t, place)]);
    const { token } = await one.tokens.create(TOKEN);
    t.ok(await two.tokens.verify(token));
    t.ok(await three.tokens.verify(token));
  });

  t.test("of devices that come at the same moment, to two processes, no more than its uses are let in", async (t) => {
    const { invitations, place } = await start(t);
    const { invitation } = await invitations.create({ ...INVITATION, uses: 5 });
    const letIn = await Promise.all([1, 2].map(() => under.admitElsewhere(place, invitation, 10)));
    t.equal((letIn[0] ?? 0) + (letIn[1] ?? 0), 5);
  });

  t.test("a device that asks twice at the same moment uses an invitation once", async (t) => {
    const { invitations } = await start(t);
    const { invitation, id } = await invitations.create(INVITATION);
    const device = key();
    await Promise.all(Array.from({ length: 4 }, () => invitations.admit(invitation, "lecturers", device)));
    t.match(await invitations.list(), [{ id, used: 1 }]);
  });

  t.test("an invitation lets in as many devices as it says, each once, and no more", async (t) => {
    const { invitations, clock } = await start(t);
    const { invitation, id } = await invitations.create(INVITATION);
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

  t.test("one that is unknown, of another population, expired or revoked lets nobody in", async (t) => {
    const { invitations, clock } = await start(t);
    const { invitation, id } = await invitations.create(INVITATION);
    await t.rejects(invitations.admit(`${invitation}x`, "lecturers", key()), { code: "TOKEN_INVALID" });
    await t.rejects(invitations.admit(invitation, "schools", key()), { code: "TOKEN_INVALID" });
    clock.ms += DAY_MS;
    await t.rejects(invitations.admit(invitation, "lecturers", key()), { code: "TOKEN_EXPIRED" });
    clock.ms -= 1;
    await invitations.admit(invitation, "lecturers", key());
    await invitations.revoke(id);
    await t.rejects(invitations.admit(invitation, "lecturers", key()), { code: "TOKEN_INVALID" });
    await t.rejects(invitations.revoke("000000000000"), { code: "NOT_FOUND" });
    const anywhere = await invitations.create({ ...INVITATION, population: null });
    await invitations.admit(anywhere.invitation, "schools", key());
  });

  t.test("nothing tells for long whom an invitation let in", async (t) => {
    const { invitations, clock, store } = await start(t);
    const { invitation } = await invitations.create({ ...INVITATION, uses: 10 });
    await invitations.admit(invitation, "lecturers", key());
    clock.ms += 11 * 60 * 1_000;
    await invitations.admit(invitation, "lecturers", key());
    t.equal((await store.db.selectFrom("admissions").selectAll().execute()).length, 1);
  });
}
