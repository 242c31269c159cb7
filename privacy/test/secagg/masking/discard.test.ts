import { setTimeout } from "node:timers/promises";
import t from "tap";
import { discard } from "../../../src/secagg/masking/discard.node.js";

t.test("a discarded buffer is detached, and its memory is free at once", async (t) => {
  // The port behind it closes within a few turns of the event loop.
  for (let turn = 0; turn < 1000; turn++) {
    const probe = new Uint8Array(1);
    discard(probe);
    if (probe.length === 0) break;
    await setTimeout(1);
  }
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 200; i++) {
    const bytes = new Uint8Array(1 << 20);
    discard(bytes);
    if (bytes.length !== 0) t.fail("the buffer is still there");
  }
  t.ok(process.memoryUsage().arrayBuffers - before < 100 << 20, "200 MiB did not pile up");
});

t.test("a view of something larger is left alone", async (t) => {
  const whole = Uint8Array.of(1, 2, 3, 4);
  discard(whole.subarray(1));
  t.strictSame([...whole], [1, 2, 3, 4]);
});
