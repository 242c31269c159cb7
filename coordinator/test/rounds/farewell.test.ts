import t from "tap";
import { Farewell } from "../../src/rounds/farewell.js";
import { manualClock } from "../ledger/fixture.js";
import { RawDevice } from "../rpc/raw-device.js";
import { Federation } from "../server/federation.js";

t.test("who has called is expected back until told; who has long been silent is not", async (t) => {
  const clock = manualClock();
  const farewell = new Farewell(clock);
  const never = new AbortController().signal;
  await farewell.untilAllTold(60_000, never);
  for (const device of ["a", "b", "a"]) farewell.met(device);
  t.equal(farewell.untold, 2);
  let isOver = false;
  const over = farewell.untilAllTold(60_000, never).then(() => {
    isOver = true;
  });
  farewell.told("a");
  farewell.told("a");
  await Promise.resolve();
  t.equal(isOver, false);
  farewell.told("b");
  await over;
  farewell.met("silent");
  farewell.met("c");
  clock.ms += 899_999;
  farewell.met("c");
  t.equal(farewell.untold, 2);
  clock.ms += 1;
  t.equal(farewell.untold, 1, "a quarter of an hour after its last call, and no later");
});

t.test("nobody is waited for longer than the grace, or than a signal allows", async (t) => {
  const farewell = new Farewell(manualClock());
  farewell.met("gone");
  await farewell.untilAllTold(1, new AbortController().signal);
  await farewell.untilAllTold(60_000, AbortSignal.abort());
  t.equal(farewell.untold, 1);
});

t.test("after the last round, devices that come once more are told, each by its next call", async (t) => {
  const federation = await Federation.open(t);
  const devices = await Promise.all([1, 2, 3].map(() => RawDevice.enter(federation.transport)));
  const running = federation.run();
  await federation.notice(({ state }) => state === "selecting");
  await Promise.all(devices.map((device) => device.join()));
  await federation.notice(({ state }) => state === "masked");
  await Promise.all(devices.map((device) => device.submit(1, new Uint8Array(12))));
  await running;
  const { farewell } = federation.population;
  t.equal(farewell.untold, 3, "none of them has heard of the end");
  const over = farewell.untilAllTold(60_000, federation.signal);
  for (const device of devices) t.match(await device.checkIn(), { outcome: { case: "wait" } });
  await over;
  t.equal(farewell.untold, 0);
});
