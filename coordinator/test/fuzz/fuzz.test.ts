import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runTable } from "@fedloop/fuzz";
import t from "tap";
import { temporaryFolder } from "../temporary-folder.js";
import { decoders } from "./tables.js";

t.test(
  "every decoder takes what it can write again, or refuses in its own words: a short run of fixed inputs",
  async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, "notice.md"), "Your ratings stay with you.");
    await runTable(t, await decoders(folder), "short");
  },
);
