import t from "tap";
import {
  type DeviceConditions,
  defaultSchedulingLimits,
  type HoldReason,
  type SchedulingLimits,
} from "../../src/index.js";
import { holdReason, stopReason } from "../../src/scheduling/conditions.js";

const NOTHING = { rounds: 0, trainingMs: 0 };

function held(conditions: DeviceConditions, limits: Partial<SchedulingLimits> = {}): HoldReason | undefined {
  return holdReason(conditions, { ...defaultSchedulingLimits, ...limits }, NOTHING);
}

t.test("what the platform does not tell holds nothing up", async (t) => {
  t.equal(held({}), undefined);
});

t.test("by default a round waits while the device is in use, low, saving, metered or offline", async (t) => {
  t.equal(held({ inUse: true }), "in-use");
  t.equal(held({ onBattery: true, batteryLevel: 0.5 }), "battery");
  t.equal(held({ onBattery: true, batteryLevel: 0.51 }), undefined);
  t.equal(held({ onBattery: false, batteryLevel: 0.1 }), undefined, "plugged in");
  t.equal(held({ batterySaver: true }), "battery");
  t.equal(held({ metered: true }), "metered");
  t.equal(held({ online: false }), "offline");
});

t.test("the app allows more, or less", async (t) => {
  t.equal(held({ inUse: true }, { whileInUse: true }), undefined);
  t.equal(held({ metered: true }, { onMetered: true }), undefined);
  t.equal(held({ onBattery: true, batteryLevel: 1 }, { onBattery: false }), "battery");
  t.equal(held({ onBattery: true, batteryLevel: 0.2 }, { minimumBatteryLevel: 0.1 }), undefined);
  const limits = { ...defaultSchedulingLimits, roundsPerDay: 2, trainingMsPerDay: 1_000 };
  t.equal(holdReason({}, limits, { rounds: 1, trainingMs: 999 }), undefined);
  t.equal(holdReason({}, limits, { rounds: 2, trainingMs: 0 }), "daily-limit");
  t.equal(holdReason({}, limits, { rounds: 1, trainingMs: 1_000 }), "daily-limit");
});

t.test("who comes back to the device does not stop a training; battery and network do", async (t) => {
  t.equal(stopReason({ inUse: true }, defaultSchedulingLimits), undefined);
  t.equal(stopReason({ onBattery: true, batteryLevel: 0.1 }, defaultSchedulingLimits), "battery");
  t.equal(stopReason({ metered: true }, defaultSchedulingLimits), "metered");
});
