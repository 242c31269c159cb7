import t from "tap";
import {
  buildEntry,
  decryptPayload,
  type Entry,
  encryptPayload,
  entryBytes,
  type KeyEncryptionKeys,
  memoryVaultStore,
  parseEntry,
  SubjectVault,
  subjectPseudonym,
  type VaultStore,
  verifyBundle,
  verifyEntrySignature,
} from "../../src/index.js";
import { nodeVerifier } from "../../src/index.node.js";
import { LogAuthor, logName, policyBody, population, recordOf, type TestDevice, testDevice } from "../author.js";
import { bundleOf } from "../complete-log.js";
import { refuses, rejects } from "../refusals.js";

/** Key-encryption keys that a test turns over and loses. */
class TestKeys implements KeyEncryptionKeys {
  #current = "kek-1";
  readonly keys = new Map([["kek-1", new Uint8Array(32).fill(1)]]);

  async current(): Promise<string> {
    return this.#current;
  }

  async key(name: string): Promise<Uint8Array | undefined> {
    return this.keys.get(name);
  }

  turn(name: string): void {
    this.#current = name;
    this.keys.set(name, crypto.getRandomValues(new Uint8Array(32)));
  }
}

t.test("a store puts a wrap only in the place of the one that is named, until it is deleted", async (t) => {
  const store = memoryVaultStore();
  const [first, second] = [
    { kek: "k", wrapped: "AAAA" },
    { kek: "l", wrapped: "CCCC" },
  ];
  t.equal(await store.get("a"), undefined);
  t.equal(await store.put("a", first, undefined), true);
  t.equal(await store.put("a", second, undefined), false);
  t.equal(await store.put("a", second, first), true);
  t.strictSame(await store.get("a"), second);
  await store.delete("a");
  await store.delete("a");
  t.equal(await store.put("a", first, second), false, "what was destroyed does not come back");
  t.equal(await store.get("a"), undefined);
});

t.test("a subject has one key, and no two subjects the same", async (t) => {
  const vault = new SubjectVault(memoryVaultStore(), new TestKeys());
  t.equal(await vault.find("alice"), undefined);
  const key = await vault.obtain("alice");
  t.equal(key.length, 32);
  t.strictSame(await vault.obtain("alice"), key);
  t.notSame(await vault.obtain("bob"), key);
  t.equal(await vault.pseudonym("alice", population), subjectPseudonym(key, population));
  t.equal(await vault.pseudonym("carol", population), undefined);
  await vault.destroy("alice");
  t.equal(await vault.find("alice"), undefined);
  t.notSame(await vault.obtain("alice"), key, "a returning subject is a new one");
});

t.test("a wrap moved to another subject, or changed, is refused", async (t) => {
  const store = memoryVaultStore();
  const vault = new SubjectVault(store, new TestKeys());
  await vault.obtain("alice");
  await vault.obtain("bob");
  const stolen = await store.get("alice");
  if (stolen === undefined) throw new Error("no wrap");
  const own = await store.get("bob");
  await store.put("bob", stolen, own);
  await rejects(t, "BAD_CIPHERTEXT", "moved", () => vault.find("bob"));
  const changed = { ...stolen, wrapped: `${stolen.wrapped.slice(0, -2)}AA` };
  await store.put("bob", changed, stolen);
  await rejects(t, "BAD_CIPHERTEXT", "changed", () => vault.find("bob"));
  await store.put("bob", { ...stolen, wrapped: "AAAA" }, changed);
  await rejects(t, "BAD_CIPHERTEXT", "cut", () => vault.find("bob"));
});

t.test("a lost key-encryption key is said, and nothing is overwritten", async (t) => {
  const store = memoryVaultStore();
  const keys = new TestKeys();
  const vault = new SubjectVault(store, keys);
  await vault.obtain("alice");
  const wrap = await store.get("alice");
  keys.keys.delete("kek-1");
  await rejects(t, "KEY_LOST", "finding", () => vault.find("alice"));
  await rejects(t, "KEY_LOST", "obtaining", () => vault.obtain("alice"));
  await rejects(t, "KEY_LOST", "making a new one", () => vault.obtain("bob"));
  t.strictSame(await store.get("alice"), wrap);
});

t.test("a rotation interrupted at any step leaves every key readable, and a repeated one completes", async (t) => {
  const subjects = ["a", "b", "c", "d"];
  for (let failing = 0; failing <= 2 * subjects.length; failing++) {
    const inner = memoryVaultStore();
    const keys = new TestKeys();
    const before = new SubjectVault(inner, keys);
    const known = new Map<string, Uint8Array>();
    for (const subject of subjects) known.set(subject, await before.obtain(subject));
    keys.turn("kek-2");
    let calls = 0;
    const failAt = async (): Promise<void> => {
      if (calls++ === failing) throw new Error("interrupted");
    };
    const faulty: VaultStore = {
      ...inner,
      get: (id) => failAt().then(() => inner.get(id)),
      put: (id, wrap, before) => failAt().then(() => inner.put(id, wrap, before)),
    };
    await new SubjectVault(faulty, keys).rotate().catch(() => undefined);
    const vault = new SubjectVault(inner, keys);
    for (const [subject, key] of known) t.strictSame(await vault.find(subject), key, `${subject} at call ${failing}`);
    const { rewrapped, alreadyCurrent } = await vault.rotate();
    t.equal(rewrapped + alreadyCurrent, subjects.length);
    keys.keys.delete("kek-1");
    for (const [subject, key] of known) t.strictSame(await vault.find(subject), key, "without the old key");
  }
  const vault = new SubjectVault(memoryVaultStore(), new TestKeys());
  await vault.obtain("a");
  await t.rejects(vault.rotate(AbortSignal.abort(new Error("stopped"))), /stopped/);
});

/** A consent entry with the participant's name and address encrypted beside it. */
async function consentWithPayload(author: LogAuthor, device: TestDevice, subjectKey: Uint8Array): Promise<Entry> {
  const place = { log: logName, type: "consent.given", id: "AAAAAAAAAAAAAAAAAAAAAA" } as const;
  const enc = encryptPayload(place, subjectKey, { name: "Alice Example", email: "alice@example.org" });
  const draft = {
    ...place,
    ts: author.now,
    actor: device.subject,
    aseq: 0,
    aprev: null,
    body: { record: recordOf(device, "given", author.now) },
    enc,
  };
  return parseEntry(await buildEntry(draft, device.signer));
}

t.test("a payload opens with the subject's key, in its own entry only", async (t) => {
  const key = new Uint8Array(32).fill(7);
  const place = { log: logName, type: "consent.given", id: "AAAAAAAAAAAAAAAAAAAAAA" };
  const enc = encryptPayload(place, key, { name: "Alice Example" });
  t.strictSame(decryptPayload(place, key, enc), { name: "Alice Example" });
  const other = encryptPayload({ ...place, id: "BAAAAAAAAAAAAAAAAAAAAA" }, key, { name: "Bob" });
  t.not(other.key, enc.key);
  for (const [what, changedPlace, changedKey, changed] of [
    ["another entry", { ...place, id: "BAAAAAAAAAAAAAAAAAAAAA" }, key, enc],
    ["another type", { ...place, type: "consent.refused" }, key, enc],
    ["another log", { ...place, log: "other.example" }, key, enc],
    ["another subject", place, new Uint8Array(32).fill(8), enc],
    ["another entry's ciphertext", place, key, { ...enc, ciphertext: other.ciphertext }],
    ["another entry's data key", place, key, { ...enc, key: other.key }],
    ["a cut ciphertext", place, key, { ...enc, ciphertext: "AAAA" }],
  ] as const)
    refuses(t, "BAD_CIPHERTEXT", what, () => decryptPayload(changedPlace, changedKey, changed));
});

t.test("after an erasure payloads stay closed, and the log verifies as before", async (t) => {
  const keys = new TestKeys();
  const store = memoryVaultStore();
  const vault = new SubjectVault(store, keys);
  const author = new LogAuthor();
  await author.write({ type: "policy.publish", body: policyBody() });
  const subjectKey = await vault.obtain("alice@example.org");
  const device = { ...testDevice(1), subject: subjectPseudonym(subjectKey, population) };
  const given = await consentWithPayload(author, device, subjectKey);
  device.previous = author.push(entryBytes(given));
  device.supersedes = device.previous;
  device.sequence = 1;
  t.ok(given.enc !== undefined && decryptPayload(given, subjectKey, given.enc));
  const backup = await store.get("alice@example.org");

  // Erasure: the withdrawal, the destruction of the key, the entry that says so.
  await author.consent(device, "withdrawn");
  await vault.destroy("alice@example.org");
  await author.write({ type: "erasure", body: { subject: device.subject, reason: "requested" } });
  t.equal(await vault.find("alice@example.org"), undefined);

  const bundle = await bundleOf(author);
  const { ok } = await verifyBundle([bundle], { verifier: nodeVerifier() });
  t.equal(ok, true);
  t.equal(await verifyEntrySignature(given, device.signer.publicKey, nodeVerifier()), true);
  for (const needle of ["alice", "Alice", Buffer.from(subjectKey).toString("base64url")])
    t.notOk(Buffer.from(bundle).includes(needle), needle);

  // A vault restored from a backup holds the key again, until the log's erasures are replayed.
  if (backup === undefined) throw new Error("no wrap");
  await store.put("alice@example.org", backup, undefined);
  t.strictSame(await vault.pseudonyms(population), [device.subject]);
  t.strictSame(await vault.replayErasures(new Set([device.subject]), [population]), ["alice@example.org"]);
  t.strictSame(await vault.pseudonyms(population), []);
});

t.test("a rotation does not bring back what is destroyed while it runs", async (t) => {
  const inner = memoryVaultStore();
  const keys = new TestKeys();
  await new SubjectVault(inner, keys).obtain("a");
  keys.turn("kek-2");
  const racing: VaultStore = {
    ...inner,
    put: async (id, wrap, before) => {
      await inner.delete(id);
      return inner.put(id, wrap, before);
    },
  };
  t.strictSame(await new SubjectVault(racing, keys).rotate(), { rewrapped: 0, alreadyCurrent: 0 });
  t.equal(await inner.get("a"), undefined);
});

t.test("a key that was made elsewhere is taken in once", async (t) => {
  const vault = new SubjectVault(memoryVaultStore(), new TestKeys());
  const key = new Uint8Array(32).fill(9);
  await vault.adopt("a", key);
  t.strictSame(await vault.find("a"), key);
  await vault.adopt("a", new Uint8Array(32).fill(8));
  t.strictSame(await vault.find("a"), key);
});
