// Prints appends per second: node coordinator/dist/test/ledger/bench.js
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEntry } from "@fedloop/consent";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { openLedger, policyBody, TestDevice } from "./fixture.js";

const folder = mkdtempSync(join(tmpdir(), "fedloop-bench-"));
const store = await openSqliteStore(join(folder, "bench.db"));
const ledger = await openLedger(store);
await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
const count = 30_000;
const entries = await Promise.all(Array.from({ length: count }, (_, i) => new TestDevice(i).consent("given")));

async function timed(name: string, n: number, run: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  await run();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  console.log(`${name}: ${Math.round(n / seconds)}/s, ${Math.round((user + system) / n)} µs of processor each`);
}

await timed("appendSigned, one commit each, all at once", 10_000, () =>
  Promise.all(entries.slice(0, 10_000).map((entry) => ledger.commit((tx) => tx.appendSigned(entry)))),
);
await timed("appendSigned, 1000 a commit", 10_000, async () => {
  for (let i = 10_000; i < 20_000; i += 1_000) {
    await ledger.commit(async (tx) => {
      for (const entry of entries.slice(i, i + 1_000)) await tx.appendSigned(entry);
    });
  }
});
const parsed = entries.slice(20_000).map((entry) => parseEntry(entry));
await timed("appendSigned of parsed entries, one commit each, all at once", 10_000, () =>
  Promise.all(parsed.map((entry) => ledger.commit((tx) => tx.appendSigned(entry)))),
);
await timed("append, 1000 a commit", 10_000, async () => {
  for (let i = 0; i < 10; i++) {
    await ledger.commit(async (tx) => {
      for (let j = 0; j < 1_000; j++) await tx.append("heartbeat", {});
    });
  }
});
await timed("append, one after the other", 1_000, async () => {
  for (let i = 0; i < 1_000; i++) await ledger.commit((tx) => tx.append("heartbeat", {}));
});
await timed("state changes alone, all at once", 10_000, () =>
  Promise.all(
    Array.from({ length: 10_000 }, (_, i) =>
      ledger.commit((tx) =>
        tx.db
          .insertInto("meta")
          .values({ key: String(i), value: "x" })
          .execute(),
      ),
    ),
  ),
);
await ledger.close();
await timed("loading, entries", ledger.size, () => openLedger(store));
await store.close();
rmSync(folder, { recursive: true });
