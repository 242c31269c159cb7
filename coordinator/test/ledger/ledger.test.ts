import {
  encodeBase64Url,
  leafHash,
  noteSigner,
  openCheckpoint,
  parseEntry,
  verifyConsistency,
  verifyInclusion,
} from "@fedloop/consent";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import fc from "fast-check";
import t from "tap";
import type { Ledger } from "../../src/ledger/ledger.js";
import type { Store } from "../../src/store/database.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { logKey, manualClock, ORIGIN, openLedger, PURPOSE, policyBody, TestDevice } from "./fixture.js";

interface Opened {
  readonly store: Store;
  readonly ledger: Ledger;
}

async function opened(test: { teardown(handler: () => Promise<void>): void }): Promise<Opened> {
  const store = await openSqliteStore(":memory:");
  const ledger = await openLedger(store);
  test.teardown(async () => {
    await ledger.close();
    await store.close();
  });
  return { store, ledger };
}

async function withPolicy(test: { teardown(handler: () => Promise<void>): void }): Promise<Opened> {
  const both = await opened(test);
  await both.ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  return both;
}

async function collected(entries: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

function setMeta(key: string) {
  return { key, value: "set" };
}

async function metaKeys(store: Store): Promise<string[]> {
  return (await store.db.selectFrom("meta").select("key").orderBy("key").execute()).map(({ key }) => key);
}

t.test("a new log is empty and has a signed checkpoint that says so", async (t) => {
  const { ledger } = await opened(t);
  t.equal(ledger.size, 0);
  const { vkey } = noteSigner(ORIGIN, logKey);
  const checkpoint = await openCheckpoint(ledger.checkpoint().text, { vkey }, nodeVerifier());
  t.match(checkpoint, { origin: ORIGIN, size: 0 });
  await t.rejects(ledger.receipt(0), { code: "OUT_OF_RANGE" });
});

t.test("what is appended is in the signed tree, with a proof", async (t) => {
  const { ledger } = await withPolicy(t);
  for (let i = 0; i < 20; i++) await ledger.commit((tx) => tx.append("heartbeat", {}));
  const { vkey } = noteSigner(ORIGIN, logKey);
  for (let index = 0; index < ledger.size; index++) {
    const { entry, path, checkpoint, size } = await ledger.receipt(index);
    const { root } = await openCheckpoint(checkpoint, { vkey }, nodeVerifier());
    t.equal(size, 21);
    t.ok(verifyInclusion({ index, size, leafHash: leafHash(entry), path, root }));
    t.match(parseEntry(entry), { aseq: index, actor: "coordinator", log: ORIGIN });
  }
});

t.test("every tree is shown to be an extension of every earlier one", async (t) => {
  const { ledger } = await withPolicy(t);
  const checkpoints = [ledger.checkpoint()];
  for (let i = 0; i < 12; i++) {
    await ledger.commit((tx) => tx.append("heartbeat", {}));
    checkpoints.push(ledger.checkpoint());
  }
  for (const older of checkpoints) {
    const proof = ledger.consistency(older.size);
    const { size, root } = ledger.checkpoint();
    t.ok(verifyConsistency({ oldSize: older.size, newSize: size, oldRoot: older.root, newRoot: root, path: proof }));
  }
  t.throws(() => ledger.consistency(3, 14), { code: "OUT_OF_RANGE" });
  t.throws(() => ledger.consistency(5, 4), { code: "OUT_OF_RANGE" });
});

t.test("state and entries are committed together, and what was appended is told", async (t) => {
  const { store, ledger } = await withPolicy(t);
  const { result, appended } = await ledger.commit(async (tx) => {
    await tx.db.insertInto("meta").values(setMeta("a")).execute();
    await tx.append("heartbeat", {});
    await tx.append("heartbeat", {});
    return "done";
  });
  t.equal(result, "done");
  t.same(
    appended.map(({ index }) => index),
    [1, 2],
  );
  t.same(
    appended.map(({ entry }) => encodeBase64Url(leafHash(entry))),
    appended.map((entry) => encodeBase64Url(entry.leafHash)),
  );
  t.same(await metaKeys(store), ["a"]);
  t.equal(ledger.size, 3);
});

t.test("a work that changes state alone leaves the log as it is", async (t) => {
  const { store, ledger } = await withPolicy(t);
  const before = ledger.checkpoint();
  const { appended } = await ledger.commit((tx) => tx.db.insertInto("meta").values(setMeta("a")).execute());
  t.same(appended, []);
  t.equal(ledger.checkpoint(), before);
  t.same(await metaKeys(store), ["a"]);
});

t.test("of works that share a transaction, one that throws fails alone", async (t) => {
  const { store, ledger } = await withPolicy(t);
  const works = Array.from({ length: 10 }, (_, i) =>
    ledger.commit(async (tx) => {
      await tx.db
        .insertInto("meta")
        .values(setMeta(`work-${i}`))
        .execute();
      await tx.append("heartbeat", {});
      if (i % 3 === 1) throw new Error(`work ${i} failed`);
      return i;
    }),
  );
  const settled = await Promise.allSettled(works);
  t.same(
    settled.map((outcome) => (outcome.status === "fulfilled" ? outcome.value.result : String(outcome.reason))),
    [0, "Error: work 1 failed", 2, 3, "Error: work 4 failed", 5, 6, "Error: work 7 failed", 8, 9],
  );
  t.same(
    await metaKeys(store),
    [0, 2, 3, 5, 6, 8, 9].map((i) => `work-${i}`),
  );
  t.equal(ledger.size, 8);
  const indices = settled.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value.appended : []));
  t.same(
    indices.map(({ index }) => index),
    [1, 2, 3, 4, 5, 6, 7],
  );
  await ledger.close();
  const again = await openLedger(store);
  t.same(again.checkpoint(), ledger.checkpoint(), "the log on disk is whole");
});

t.test("the consent view follows the commits, never goes ahead of them", async (t) => {
  const { ledger } = await withPolicy(t);
  const device = new TestDevice(1);
  await ledger.commit(async (tx) => {
    await tx.appendSigned(await device.consent("given"));
    t.equal(ledger.view.permits(device.subject, PURPOSE), false);
  });
  t.equal(ledger.view.permits(device.subject, PURPOSE), true);
  await ledger.commit(async (tx) => tx.appendSigned(await device.consent("withdrawn")));
  t.match(ledger.view.status(device.subject, PURPOSE), { state: "withdrawn", index: 2 });
});

t.test("the same entry again gets its first place, at once or later, as bytes or parsed", async (t) => {
  const { ledger } = await withPolicy(t);
  const entry = await new TestDevice(1).consent("given");
  const forms = [entry, Buffer.from(entry), parseEntry(entry)];
  const first = await Promise.all(forms.map((form) => ledger.commit((tx) => tx.appendSigned(form))));
  const later = await ledger.commit((tx) => tx.appendSigned(entry));
  for (const { result } of [...first, later]) t.match(result, { index: 1, leafHash: leafHash(entry) });
  t.same(
    first.map(({ appended }) => appended.length),
    [1, 0, 0],
  );
  t.same(later.appended, []);
  t.equal(ledger.size, 2);
});

t.test("two entries for one place in a chain: the first has it", async (t) => {
  const { ledger } = await withPolicy(t);
  const device = new TestDevice(1);
  const [given, refused] = [await device.draft("given"), await device.draft("refused")];
  const both = await Promise.allSettled([given, refused].map((entry) => ledger.commit((tx) => tx.appendSigned(entry))));
  t.match(both, [{ status: "fulfilled" }, { status: "rejected", reason: { code: "CHAIN_BROKEN" } }]);
  t.match(ledger.view.status(device.subject, PURPOSE), { state: "given", index: 1 });
});

t.test("entries that may not stand are refused, and leave nothing", async (t) => {
  const { ledger } = await withPolicy(t);
  const device = new TestDevice(1);
  const gap = new TestDevice(2);
  await gap.consent("given");
  const id = "A".repeat(22);
  const record = { id };
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ["no bytes", new Uint8Array(0), "BAD_ENTRY"],
    ["other bytes", Uint8Array.from([0xff, 0xfe]), "BAD_ENTRY"],
    ["too many bytes", new Uint8Array(65_536).fill(0x20), "TOO_LARGE"],
    ["a gap in the chain", await gap.consent("withdrawn"), "CHAIN_BROKEN"],
    ["an old policy", await device.draft("given", { policy: 2 }), "STALE_POLICY"],
    [
      "another notice",
      await device.draft("given", {
        notice: { uri: "https://example.org/notice", sha256: encodeBase64Url(new Uint8Array(32)), language: "en" },
      }),
      "STALE_POLICY",
    ],
    ["an unknown purpose", await device.draft("given", { purpose: "advertising" }), "STALE_POLICY"],
    [
      "someone else's subject",
      await device.draft("given", { ...record, subject: new TestDevice(3).subject }),
      "WRONG_SUBJECT",
    ],
    [
      "a decision that supersedes another one",
      await device.draft("given", { supersedes: encodeBase64Url(new Uint8Array(32)) }),
      "WITHDRAWN_LATER",
    ],
  ];
  for (const [name, entry, code] of cases) {
    await t.rejects(
      ledger.commit((tx) => tx.appendSigned(entry)),
      { name: "CoordinatorError", code },
      name,
    );
  }
  t.equal(ledger.size, 1);
  await ledger.commit(async (tx) => tx.appendSigned(await device.consent("given")));
  t.equal(ledger.size, 2, "and the log goes on");
});

t.test("an id that another entry has is refused", async (t) => {
  const store = await openSqliteStore(":memory:");
  const ledger = await openLedger(store, { randomId: () => "AAAAAAAAAAAAAAAAAAAAAA" });
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  await t.rejects(
    ledger.commit((tx) => tx.append("heartbeat", {})),
    { code: "CONFLICT" },
  );
  t.equal(ledger.size, 1);
  await ledger.close();
  await store.close();
});

t.test("a consent to the old policy cannot slip in behind a new one", async (t) => {
  const { ledger } = await withPolicy(t);
  const entry = await new TestDevice(1).consent("given");
  const [policy, consent] = await Promise.allSettled([
    ledger.commit((tx) => tx.append("policy.publish", policyBody(2))),
    ledger.commit((tx) => tx.appendSigned(entry)),
  ]);
  t.match(policy, { status: "fulfilled" });
  t.match(consent, { status: "rejected", reason: { code: "STALE_POLICY" } });
});

t.test("an aborted signal stops a work that has not begun", async (t) => {
  const { ledger } = await withPolicy(t);
  const stop = new AbortController();
  const first = ledger.commit(async (tx) => {
    stop.abort(new Error("stopped"));
    return tx.append("heartbeat", {});
  });
  const second = ledger.commit((tx) => tx.append("heartbeat", {}), { signal: stop.signal });
  await first;
  await t.rejects(second, { message: "stopped" });
  t.equal(ledger.size, 2);
});

t.test("an aborted signal stops the reading of the log", async (t) => {
  const { store, ledger } = await withPolicy(t);
  await ledger.close();
  await t.rejects(openLedger(store, { signal: AbortSignal.abort(new Error("stopped")) }), { message: "stopped" });
});

t.test("closing waits for what was begun and takes no more", async (t) => {
  const { ledger } = await withPolicy(t);
  const last = ledger.commit((tx) => tx.append("heartbeat", {}));
  await ledger.close();
  t.equal((await last).result.index, 1);
  await t.rejects(
    ledger.commit((tx) => tx.append("heartbeat", {})),
    { code: "LEDGER_STOPPED" },
  );
});

t.test("entries are stamped with the clock, which may step back a little but not far", async (t) => {
  const store = await openSqliteStore(":memory:");
  const clock = manualClock(1_700_000_000_000);
  const ledger = await openLedger(store, { clock });
  const stamped = async () => {
    const { result } = await ledger.commit((tx) => tx.append("heartbeat", {}));
    return parseEntry(result.entry).ts;
  };
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  clock.ms += 5_000;
  t.equal(await stamped(), 1_700_000_005_000);
  clock.ms -= 4_000;
  t.equal(await stamped(), 1_700_000_005_000, "time does not run backwards in the log");
  clock.ms -= 60_000;
  await t.rejects(stamped(), { code: "CLOCK_BEHIND", message: /2023-11-14T22:13:25.000Z/ });
  await t.rejects(openLedger(store, { clock }), { code: "CLOCK_BEHIND" });
  clock.ms += 120_000;
  t.equal(await stamped(), 1_700_000_061_000);
  t.equal(ledger.size, 4);
  await ledger.close();
  await store.close();
});

t.test("a clock that was far ahead is not believed again before the time it stamped has come", async (t) => {
  await using store = await openSqliteStore(":memory:");
  const clock = manualClock(1_700_000_000_000);
  const ledger = await openLedger(store, { clock });
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  clock.ms = 4_000_000_000_000;
  await ledger.commit((tx) => tx.append("heartbeat", {}));
  await ledger.close();
  clock.ms = 1_700_000_060_000;
  await t.rejects(openLedger(store, { clock }), { code: "CLOCK_BEHIND" });
  clock.ms = 4_000_000_000_001;
  await using again = await openLedger(store, { clock });
  t.equal(again.size, 2);
});

t.test("entries are read back in order, whole or in part", async (t) => {
  const { ledger } = await withPolicy(t);
  await ledger.commit(async (tx) => {
    for (let i = 0; i < 1_100; i++) await tx.append("heartbeat", {});
  });
  const all = await collected(ledger.entries());
  t.equal(all.length, 1_101);
  t.same(all[700], await ledger.entry(700));
  t.same(await collected(ledger.entries(510, 515)), all.slice(510, 515));
  await t.rejects(collected(ledger.entries(0, 1_102)), { code: "OUT_OF_RANGE" });
  for (const index of [-1, 1_101, 0.5, Number.NaN]) await t.rejects(ledger.entry(index), { code: "OUT_OF_RANGE" });
});

t.test("a log signed by other keys is not opened", async (t) => {
  const { store, ledger } = await withPolicy(t);
  await ledger.close();
  await t.rejects(openLedger(store, { operatorSigner: generateNodeSigner() }), {
    code: "LEDGER_CORRUPT",
    message: /operator key/,
  });
  await t.rejects(openLedger(store, { noteSigner: noteSigner(ORIGIN, generateNodeSigner()) }), {
    code: "LEDGER_CORRUPT",
  });
  const origin = "example.org/another-log";
  await t.rejects(openLedger(store, { origin, noteSigner: noteSigner(origin, logKey) }), { code: "LEDGER_CORRUPT" });
});

t.test("any order of works, some failing, leaves a log that opens and chains", async (t) => {
  const work = fc.record({ entries: fc.integer({ min: 0, max: 3 }), fails: fc.boolean(), alone: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(work, { maxLength: 12 }), async (works) => {
      const store = await openSqliteStore(":memory:");
      const ledger = await openLedger(store);
      await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
      let expected = 1;
      const commits: Promise<unknown>[] = [];
      for (const { entries, fails, alone } of works) {
        const commit = ledger.commit(async (tx) => {
          for (let i = 0; i < entries; i++) await tx.append("heartbeat", {});
          if (fails) throw new Error("as planned");
        });
        if (!fails) expected += entries;
        commits.push(commit.catch(() => undefined));
        if (alone) await Promise.all(commits);
      }
      await Promise.all(commits);
      t.equal(ledger.size, expected);
      await ledger.close();
      const again = await openLedger(store);
      t.same(again.checkpoint(), ledger.checkpoint());
      let aseq = 0;
      for await (const entry of again.entries()) t.equal(parseEntry(entry).aseq, aseq++);
      await again.close();
      await store.close();
    }),
    { seed: 7, numRuns: 30 },
  );
});
