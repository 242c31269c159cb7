import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { openSqliteStore } from "@fedloop/coordinator";
import t from "tap";
import { FEDLOOP, POPULATION, ServeProcess, temporaryFolder, writeConfiguration } from "./serve.js";

const run = promisify(execFile);

t.test(
  "a process that is to end with its rounds ends at once, with 6, where they came to nothing before",
  async (t) => {
    const folder = temporaryFolder(t);
    const config = writeConfiguration(folder);
    const first = new ServeProcess(t, config);
    await first.listening();
    first.child.kill("SIGTERM");
    t.equal(await first.exit(), 0, first.log);
    const store = await openSqliteStore(join(folder, "data", "fedloop.sqlite"));
    await store.db
      .updateTable("populations")
      .set({ state: "paused", pause_reason: "rounds-abandoned", paused_ms: 1 })
      .execute();
    await store.close();
    const second = new ServeProcess(t, config, ["--exit-when-finished"]);
    t.equal(await second.exit(), 6, second.log);
    t.match(second.log, `fedloop populations resume ${POPULATION}`);
    const resumed = await run(process.execPath, [FEDLOOP, "--config", config, "populations", "resume", POPULATION]);
    t.equal(resumed.stdout, `${POPULATION}: running\n`);
    const third = new ServeProcess(t, config, ["--exit-when-finished"]);
    await third.listening();
    third.child.kill("SIGTERM");
    t.equal(await third.exit(), 0, third.log);
  },
);
