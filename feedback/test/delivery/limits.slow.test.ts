import t from "tap";
import { simulate } from "./simulation.js";

t.test("a million simulated decisions break no limit", async (t) => {
  const { violations, ...counts } = simulate("a million", 1_000_000);
  t.same(violations, []);
  t.ok(counts.shown > 20_000 && counts.optedOut > 100, JSON.stringify(counts));
});
