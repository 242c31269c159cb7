import { join } from "node:path";
import t from "tap";
import { ServerProcess } from "../../src/simulation/server-process.js";
import { temporaryFolder } from "../temporary-folder.js";

t.test("whoever looks for a coordinator that has ended is told the end of its log", async (t) => {
  const config = join(temporaryFolder(t), "no-such.yaml");
  const server = new ServerProcess({ config, onEvent: () => undefined });
  server.requireRunning();
  const told = { code: "ROUND_FAILED", message: /no-such\.yaml/ };
  await t.rejects(server.first("listening"), told);
  t.throws(() => server.requireRunning(), told);
});
