import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runTable } from "@fedloop/fuzz";
import t from "tap";
import { temporaryFolder } from "../temporary-folder.js";
import { serve } from "./served.js";
import { decoders } from "./tables.js";

t.test(
  "every decoder takes what it can write again, or refuses in its own words: a short run of fixed inputs",
  async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, "notice.md"), "Your ratings stay with you.");
    await runTable(t, await decoders(folder), "short");
  },
);

t.test("whatever is asked over HTTP is answered, or refused with a code: a short run", async (t) => {
  const { table, faults } = await serve(t);
  await runTable(t, table, "short");
  t.same(faults, []);
});
