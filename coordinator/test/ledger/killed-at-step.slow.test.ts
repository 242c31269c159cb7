// kill -9 at every step of the commit path: between any two statements of the transaction, and between any two calls that
// write the tiles. What was acknowledged is there; at most the one entry that was being committed is there besides.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { noteSigner, openCheckpoint, tiledEntries } from "@fedloop/consent";
import { nodeVerifier, TileFolder } from "@fedloop/consent/node";
import t, { type Test } from "tap";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { temporaryFolder } from "../temporary-folder.js";
import { logKey, ORIGIN, openLedger } from "./fixture.js";

const program = fileURLToPath(new URL("./killed-at-step.js", import.meta.url));
const { vkey } = noteSigner(ORIGIN, logKey);

interface Ended {
  readonly acknowledged: number | undefined;
  readonly published: number | undefined;
  readonly steps: number | undefined;
}

function run(folder: string, killAt: number): Ended {
  const { stdout, signal, status } = spawnSync(process.execPath, [program, folder, String(killAt)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (signal !== "SIGKILL" && status !== 0)
    throw new Error(`expected the writer to be killed, it ended with ${status}`);
  const said = (word: string): number | undefined => {
    const [, number] = new RegExp(`^${word} (\\d+)$`, "m").exec(stdout) ?? [];
    return number === undefined ? undefined : Number(number);
  };
  return { acknowledged: said("acknowledged"), published: said("published"), steps: said("steps") };
}

async function check(t: Test, folder: string, acknowledged: number, published: number, name: string): Promise<void> {
  await using store = await openSqliteStore(join(folder, "fedloop.db"));
  await using ledger = await openLedger(store);
  const rows = await store.db.selectFrom("meta").selectAll().where("key", "like", "entry-%").execute();
  t.equal(rows.length, ledger.size - 1, `${name}: each entry has the state that was written with it`);
  const more = ledger.size - (acknowledged + 1);
  t.ok(more === 0 || more === 1, `${name}: ${ledger.size} entries, ${acknowledged} the last acknowledged`);
  const tiles = new TileFolder(join(folder, "tiles"));
  const note = await tiles.checkpoint();
  if (note === undefined) {
    t.equal(published, 0);
    return;
  }
  const checkpoint = await openCheckpoint(note, { vkey }, nodeVerifier());
  t.ok(checkpoint.size >= published && checkpoint.size <= ledger.size, `${name}: what is published stays`);
  t.same(checkpoint.root, ledger.rootAt(checkpoint.size));
  let read = 0;
  for await (const entry of tiledEntries((path) => tiles.read(path), checkpoint)) read += entry.length > 0 ? 1 : 0;
  t.equal(read, checkpoint.size, `${name}: all tiles of the published checkpoint are whole`);
}

t.test(
  "killed at any step, the log opens with exactly what was acknowledged, or that and the entry under way",
  async (t) => {
    const folder = temporaryFolder(t);
    // The kills follow each other on one log: what a killed process leaves, the next one goes on with.
    const first = run(folder, 0);
    let acknowledged = first.acknowledged ?? 0;
    let published = first.published ?? 0;
    const { steps = 0 } = first;
    t.ok(steps > 15, `${steps} steps`);
    for (let killAt = 1; killAt <= steps; killAt++) {
      const ended = run(folder, killAt);
      t.equal(ended.steps, undefined, `step ${killAt}: it was killed`);
      acknowledged = Math.max(acknowledged, ended.acknowledged ?? 0);
      published = Math.max(published, ended.published ?? 0);
      await using store = await openSqliteStore(join(folder, "fedloop.db"));
      await using ledger = await openLedger(store);
      const { size } = ledger;
      await ledger.close();
      await store.close();
      await check(t, folder, acknowledged, published, `step ${killAt}`);
      // An entry that was durable and not acknowledged is there for good.
      acknowledged = size - 1;
    }
  },
);
