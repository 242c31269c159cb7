import t from "tap";
import { latencyText, WithdrawalLatencies } from "../../src/index.js";

t.test("the latency runs from the decision to the last debit under the consent that it ended", async (t) => {
  const latencies = new WithdrawalLatencies();
  t.same(latencies.summary(), { withdrawals: 0, usedAfter: 0, medianMs: 0, longestMs: 0 });
  latencies.used("a", 3, 900);
  latencies.used("a", 3, 1_250);
  latencies.used("a", 3, 1_100);
  latencies.withdrew("a", 8, 1_000);
  // What is used under a consent given anew later is no use after the withdrawal.
  latencies.used("a", 12, 9_000);
  latencies.withdrew("b", 9, 1_000);
  latencies.used("b", 4, 700);
  latencies.withdrew("c", 10, 1_000);
  const summary = latencies.summary();
  t.same(summary, { withdrawals: 3, usedAfter: 1, medianMs: 0, longestMs: 250 });
  t.match(latencyText(summary), /1 of 3 .* 250 ms at most/);
});

t.test("a log without withdrawals, and one without later use, say so", async (t) => {
  t.equal(latencyText({ withdrawals: 0, usedAfter: 0, medianMs: 0, longestMs: 0 }), "nobody withdrew");
  t.equal(latencyText({ withdrawals: 2, usedAfter: 0, medianMs: 0, longestMs: 0 }), "no use after a withdrawal");
});
