import t from "tap";
import { CrowdSignal } from "../../src/rounds/crowd-signal.js";

t.test("a member ends with its own signal or with the crowd's, and for that one's reason", (t) => {
  const long = new AbortController();
  const crowd = new CrowdSignal(long.signal);
  const own = [new AbortController(), new AbortController()] as const;
  const [first, second] = own.map(({ signal }) => crowd.join(signal));
  own[0].abort("gone");
  t.match(first?.signal, { aborted: true, reason: "gone" });
  t.match(second?.signal, { aborted: false });
  long.abort("going down");
  t.match(second?.signal, { aborted: true, reason: "going down" });
  t.match(crowd.join(new AbortController().signal).signal, { aborted: true, reason: "going down" });
  t.match(crowd.join(AbortSignal.abort("gone")).signal, { aborted: true, reason: "gone" });
  t.end();
});

t.test("who has left, or has ended, leaves nothing behind", (t) => {
  const crowd = new CrowdSignal(new AbortController().signal);
  for (let i = 0; i < 1_000; i++) {
    const own = new AbortController();
    const { signal, leave } = crowd.join(own.signal);
    if (i % 2 === 0) own.abort();
    else leave();
    t.equal(signal.aborted, i % 2 === 0);
    own.abort();
    if (i % 2 === 1 && signal.aborted) t.fail("who has left is not told any more");
  }
  t.equal(crowd.size, 0);
  t.end();
});
