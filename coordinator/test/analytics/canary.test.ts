import t from "tap";
import { judgeCanary } from "../../src/analytics/canary.js";

t.test("a canary waits while it may be either, and is promoted once it cannot be worse by the margin", async (t) => {
  t.equal(judgeCanary([[-0.2, 0.1]], 0.05), "wait");
  t.equal(judgeCanary([[-0.04, 0.3]], 0.05), "promote");
  t.equal(judgeCanary([[-0.3, -0.06]], 0.05), "roll-back");
  t.equal(judgeCanary([undefined], 0.05), "wait");
  t.equal(judgeCanary([], 0.05), "wait");
});

t.test("a canary that is better on the whole goes live only if it is worse for no segment", async (t) => {
  const whole = [0.2, 0.4] as const;
  t.equal(judgeCanary([whole, [-0.04, 0.1], [0.1, 0.3]], 0.05), "promote");
  t.equal(judgeCanary([whole, [-0.04, 0.1], [-0.3, -0.06]], 0.05), "roll-back");
  t.equal(judgeCanary([whole, [-0.04, 0.1], [-0.1, 0.1]], 0.05), "wait");
  t.equal(judgeCanary([whole, [-0.04, 0.1], undefined], 0.05), "wait", "a segment that nobody can see into");
  t.equal(judgeCanary([undefined, [-0.3, -0.06]], 0.05), "roll-back");
});
