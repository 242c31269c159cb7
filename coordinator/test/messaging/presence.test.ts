import t from "tap";
import { DRAINING, Presence } from "../../src/messaging/presence.js";

t.test(
  "who is silent is gone, who drains is there and takes nothing, and of those that are gone nothing is kept",
  async (t) => {
    let now = 0;
    const presence = new Presence(3_000, { now: () => now });
    presence.heard("a");
    presence.heard("b");
    presence.heard(`b${DRAINING}`);
    presence.heard("b");
    t.same(presence.taking(), ["a"]);
    t.ok(presence.isThere("b"), "its groups are still to come");
    t.notOk(presence.isThere("c"), "nobody was heard of by that name, however young the process is");
    // Processes are replaced for months; each has a name of its own.
    for (let run = 0; run < 1_000; run++) {
      now += 2_000;
      presence.heard(`run-${run}`);
    }
    t.same(presence.taking(), ["run-998", "run-999"]);
    t.ok(presence.size <= 3, `${presence.size} are kept`);
  },
);
