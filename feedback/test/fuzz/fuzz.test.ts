import { runTable } from "@fedloop/fuzz";
import t from "tap";
import { decoders } from "./table.js";

t.test("what the loop has kept, and what is published to it, is read or refused in words of its own", async (t) => {
  await runTable(t, await decoders(), "short");
});
