import fc from "fast-check";
import t from "tap";
import { addressKey, CallLimits } from "../../src/limits/call-limits.js";
import { TokenBuckets } from "../../src/limits/token-buckets.js";
import { manualClock } from "../ledger/fixture.js";

t.test("a burst is let through, then as many as come back; the wait that is told is the one it takes", (t) => {
  const clock = manualClock();
  const buckets = new TokenBuckets({ perSecond: 4, burst: 10 }, clock);
  for (let i = 0; i < 10; i++) t.equal(buckets.take("a"), 0);
  const wait = buckets.take("a");
  t.equal(wait, 250);
  t.equal(buckets.take("b"), 0, "each key has its own");
  clock.ms += wait - 1;
  t.not(buckets.take("a"), 0);
  clock.ms += 1;
  t.equal(buckets.take("a"), 0);
  clock.ms += 1_000_000;
  for (let i = 0; i < 10; i++) t.equal(buckets.take("a"), 0, "no more than the burst is saved up");
  t.not(buckets.take("a"), 0);
  clock.ms -= 1_000_000;
  t.not(buckets.take("a"), 0, "a clock set back gives nothing");
  t.end();
});

t.test("over any time no more come through than the burst and what came back", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1, max: 5 })), { maxLength: 300 }),
      (calls) => {
        const clock = manualClock(0);
        const buckets = new TokenBuckets({ perSecond: 7, burst: 20 }, clock);
        let taken = 0;
        for (const [waitMs, cost] of calls) {
          clock.ms += waitMs;
          if (buckets.take("a", cost) === 0) taken += cost;
        }
        return taken <= 20 + (7 * clock.ms) / 1_000 + 1e-6;
      },
    ),
    { seed: 7, numRuns: 200 },
  );
  t.end();
});

t.test("memory is bounded, and who calls all the time is not forgotten for those who call once", (t) => {
  const clock = manualClock();
  const buckets = new TokenBuckets({ perSecond: 1, burst: 5 }, clock, 1_000);
  for (let i = 0; i < 5; i++) buckets.take("steady");
  for (let i = 0; i < 50_000; i++) {
    buckets.take(`once ${i}`);
    if (i % 100 === 0) t.not(buckets.take("steady"), 0);
    if (buckets.size > 1_001) t.fail(`${buckets.size} keys`);
  }
  t.end();
});

t.test("addresses are counted as those who have them: IPv4 each, IPv6 by network; this machine not at all", (t) => {
  for (const [address, key] of [
    ["192.0.2.7:51000", "192.0.2.7"],
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["[::ffff:192.0.2.7]:443", "192.0.2.7"],
    ["[2001:db8:1:2:aaaa::1]:443", "2001:db8:1:2"],
    ["2001:DB8:0001:2::9", "2001:db8:1:2"],
    ["2001:db8::9", "2001:db8:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["127.0.0.1:51000", undefined],
    ["[::1]:51000", undefined],
    ["::ffff:127.0.0.1", undefined],
    ["unix:/run/fedloop.sock", undefined],
  ] as const) {
    t.equal(addressKey(address), key, address);
  }
  t.end();
});

t.test("a lie costs its address more than a call, never another address, and never the one it was told about", (t) => {
  const rates = { perIdentity: { perSecond: 1, burst: 3 }, perAddress: { perSecond: 1, burst: 50 } };
  const limits = new CallLimits(rates, manualClock());
  const busy = { code: "BUSY" };
  for (let i = 0; i < 2; i++) {
    limits.admitAddress("192.0.2.1");
    limits.chargeForLie("192.0.2.1");
  }
  for (let i = 0; i < 8; i++) limits.admitAddress("192.0.2.1");
  t.throws(() => limits.admitAddress("192.0.2.1:99"), busy);
  t.doesNotThrow(() => limits.admitAddress("192.0.2.2"));
  for (let i = 0; i < 3; i++) limits.admitIdentity("device");
  t.throws(() => limits.admitIdentity("device"), { ...busy, retryAfterMs: 1_000 });
  t.end();
});
