import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { temporaryFolder } from "../temporary-folder.js";
import { fuzz } from "./decoder.js";
import { decoders } from "./decoders.js";

t.test(
  "every decoder takes what it can write again, or refuses in its own words: a short run of fixed inputs",
  async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, "notice.md"), "Your ratings stay with you.");
    for (const decoder of await decoders(folder)) {
      const inputs = Math.max(Math.floor(decoder.inputs / 400), 20);
      const { taken, refused } = await fuzz(t, decoder, inputs, 1);
      t.equal(taken + refused, inputs, decoder.name);
    }
  },
);
