import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openAccessStore } from "../../src/access/access-store.js";
import { AccessTokens, LONGEST_LIFE_MS, type TokenTerms } from "../../src/access/access-tokens.js";
import { manualClock } from "../ledger/fixture.js";
import { temporaryFolder } from "../temporary-folder.js";

const DAY_MS = 24 * 60 * 60 * 1_000;
const TERMS: TokenTerms = { name: "board", role: "viewer", populations: ["lecturers"], lifeMs: 30 * DAY_MS };

async function start(t: Test, path = ":memory:") {
  const store = await openAccessStore(path);
  t.teardown(() => store.close());
  const clock = manualClock();
  return { tokens: new AccessTokens(store, clock), clock, store };
}

t.test("a token is good for what it was made for, until it expires", async (t) => {
  const { tokens, clock } = await start(t);
  const { token, tokenId } = await tokens.create(TERMS);
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
  const { token } = await tokens.create(TERMS);
  const other = await tokens.create(TERMS);
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
  const { token, tokenId } = await tokens.create(TERMS);
  const kept = await tokens.create(TERMS);
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
  const before = await tokens.create(TERMS);
  clock.ms += 10 * DAY_MS;
  const after = await tokens.rotate(before.tokenId, DAY_MS);
  t.not(after.token, before.token);
  t.match(after, { name: "board", role: "viewer", populations: ["lecturers"] });
  t.equal(after.expiresMs, clock.now() + TERMS.lifeMs, "for as long as the one before was made for");
  clock.ms += DAY_MS - 1;
  t.ok(await tokens.verify(before.token));
  clock.ms += 1;
  t.equal(await tokens.verify(before.token), undefined);
  t.ok(await tokens.verify(after.token));
  await t.rejects(tokens.rotate(before.tokenId, DAY_MS), { code: "WRONG_STATE" });
  await tokens.rotate(after.tokenId, 100 * DAY_MS);
  clock.ms += TERMS.lifeMs;
  t.equal(await tokens.verify(after.token), undefined, "a grace makes no token live longer");
});

t.test("a life of nothing, or of more than a year, is refused", async (t) => {
  const { tokens } = await start(t);
  for (const lifeMs of [0, -1, Number.NaN, LONGEST_LIFE_MS + 1]) {
    await t.rejects(tokens.create({ ...TERMS, lifeMs }), { code: "USAGE" }, String(lifeMs));
  }
});

t.test("the secret is in no file, only its hash is", async (t) => {
  const path = join(temporaryFolder(t), "access.sqlite");
  const { tokens } = await start(t, path);
  const { token, tokenId } = await tokens.create(TERMS);
  const bytes = Buffer.concat([readFileSync(path), readFileSync(`${path}-wal`)]);
  t.ok(bytes.includes(tokenId), "what is looked for would be found");
  t.notOk(bytes.includes(token.slice(-43)));
  t.notOk(bytes.includes(Buffer.from(token.slice(-43), "base64url")));
});

t.test("what another process changes counts at once", async (t) => {
  const path = join(temporaryFolder(t), "access.sqlite");
  const coordinator = await start(t, path);
  const command = await start(t, path);
  const { token, tokenId } = await command.tokens.create(TERMS);
  t.ok(await coordinator.tokens.verify(token));
  await command.tokens.revoke(tokenId);
  t.equal(await coordinator.tokens.verify(token), undefined);
});
