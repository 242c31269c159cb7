import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { temporaryFolder } from "../temporary-folder.js";
import { fuzz } from "./decoder.js";
import { decoders } from "./decoders.js";

/** These answer with what they found, and the last takes any text as a name. */
const NEVER_REFUSES: ReadonlySet<string> = new Set(["verifyBundle", "Witness.addCheckpoint", "addressKey"]);

t.test("a million inputs, and no decoder does anything but take or refuse them", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "notice.md"), "Your ratings stay with you.");
  let total = 0;
  for (const decoder of await decoders(folder)) {
    const started = process.cpuUsage();
    const { taken, refused } = await fuzz(t, decoder, decoder.inputs, 2);
    const { user } = process.cpuUsage(started);
    total += taken + refused;
    t.ok(refused > 0 || NEVER_REFUSES.has(decoder.name), `${decoder.name} refused ${refused} of ${taken + refused}`);
    t.comment(`${decoder.name}: ${taken} taken, ${refused} refused, ${Math.round(user / 1_000)} ms`);
  }
  t.ok(total >= 1_000_000, `${total} inputs`);
});
