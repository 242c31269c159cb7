import { runTable } from "@fedloop/fuzz";
import t from "tap";
import { serve } from "./served.js";

t.test("whatever is asked over HTTP is answered, or refused with a code: a short run", async (t) => {
  const { table, faults } = await serve(t);
  await runTable(t, table, "short");
  t.same(faults, []);
});
