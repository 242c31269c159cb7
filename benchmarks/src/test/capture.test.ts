import t from "tap";
import { captureBenchmark } from "../capture.js";

t.test("at a steady rate no event is lost, none is sent, and a withdrawal deletes them", async (t) => {
  t.match(await captureBenchmark({ eventsPerSecond: 2_000, seconds: 1 }), {
    events: 2_000,
    lost: 0,
    dropped: 0,
    connectionsMade: 0,
  });
});
