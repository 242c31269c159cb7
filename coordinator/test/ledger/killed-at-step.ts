// Appends to the log of a folder, publishes its tiles, and kills itself at one step of all that, counted from the first
// commit on: killed-at-step.js FOLDER STEP. It prints the index of each entry that is acknowledged, and at the end how
// many steps there were.
import { writeSync } from "node:fs";
import { join } from "node:path";
import { noteSigner } from "@fedloop/consent";
import { type DurableFiles, durableFiles, TileFolder } from "@fedloop/consent/node";
import { hookedStore } from "./faulty-store.js";
import { logKey, ORIGIN, openLedger, policyBody } from "./fixture.js";

const [folder = "", stepText = "0"] = process.argv.slice(2);
const killAt = Number(stepText);
let steps = 0;
let counting = false;

function step(): void {
  if (counting && ++steps === killAt) process.kill(process.pid, "SIGKILL");
}

function around<Words extends readonly unknown[]>(call: (...words: Words) => Promise<void>) {
  return async (...words: Words): Promise<void> => {
    step();
    await call(...words);
  };
}

const files: DurableFiles = {
  makeFolder: around(durableFiles.makeFolder),
  write: around(durableFiles.write),
  rename: around(durableFiles.rename),
  syncFolder: around(durableFiles.syncFolder),
};

// The end of one call and the beginning of the next leave the same on disk: one kill for both.
const store = await hookedStore(join(folder, "fedloop.db"), (when) => {
  if (when === "before") step();
});
const ledger = await openLedger(store, { noteSigner: noteSigner(ORIGIN, logKey) });
const tiles = new TileFolder(join(folder, "tiles"), files);
if (ledger.size === 0) await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
counting = true;
const { result } = await ledger.commit(async (tx) => {
  const { index } = await tx.append("heartbeat", {});
  await tx.db
    .insertInto("meta")
    .values({ key: `entry-${index}`, value: "there" })
    .execute();
  return index;
});
// Written at once: what a killed process has printed has been read by its caller.
writeSync(1, `acknowledged ${result}\n`);
step();
await tiles.publish(async (name) => (await ledger.tile(name)) ?? new Uint8Array(), ledger.checkpoint().text);
writeSync(1, `published ${ledger.size}\n`);
step();
counting = false;
writeSync(1, `steps ${steps}\n`);
await ledger.close();
await store.close();
