import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runTable } from "@fedloop/fuzz";
import t from "tap";
import { temporaryFolder } from "../temporary-folder.js";
import { decoders } from "./tables.js";

t.test("a million inputs, and no decoder does anything but take or refuse them", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "notice.md"), "Your ratings stay with you.");
  const total = await runTable(t, await decoders(folder), "long");
  t.ok(total >= 1_000_000, `${total} inputs`);
});
