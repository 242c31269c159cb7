import t from "tap";
import { analyticsBenchmark } from "../analytics.js";

t.test("each kind of query is measured beside a plain count of the same devices", async (t) => {
  const [baseline, ...queries] = analyticsBenchmark({ devices: 20, rows: 4 }) as readonly Record<string, unknown>[];
  t.match(baseline, { query: "plain count, the baseline", devices: 20, numbers: 1, uploadBytesPerDevice: 1 });
  t.equal(queries.length, 11, "all kinds of queries");
  for (const { query, deviceMicroseconds, serverReadMs, numbers, uploadBytesPerDevice } of queries) {
    t.ok(Number(deviceMicroseconds) > 0 && Number(serverReadMs) >= 0, String(query));
    t.ok(Number(uploadBytesPerDevice) >= 4 * Number(numbers), "32 bits a number, padded to a power of two");
  }
});
