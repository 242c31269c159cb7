// Appends to the log named on the command line until it is killed, and prints each index once it is acknowledged.
import { openSqliteStore } from "../../src/store/sqlite.js";
import { openLedger, policyBody } from "./fixture.js";

const [path = ""] = process.argv.slice(2);
const ledger = await openLedger(await openSqliteStore(path));
if (ledger.size === 0) await ledger.commit((tx) => tx.append("policy.publish", policyBody()));

async function appendForever(): Promise<never> {
  for (;;) {
    const { result } = await ledger.commit(async (tx) => {
      const entry = await tx.append("heartbeat", {});
      await tx.db
        .insertInto("meta")
        .values({ key: `entry-${entry.index}`, value: "there" })
        .execute();
      return entry;
    });
    process.stdout.write(`${result.index}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, appendForever));
