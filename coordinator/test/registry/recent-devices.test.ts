import t from "tap";
import type { Device } from "../../src/registry/device.js";
import { RecentDevices } from "../../src/registry/recent-devices.js";

function device(id: number, session = "first"): Device {
  return {
    id: String(id),
    population: "lecturers",
    publicKey: new Uint8Array(32),
    subject: `subject ${id}`,
    session,
    sessionExpiresMs: 0,
  };
}

t.test("of devices no more than the capacity are kept, and those that call again longest", async (t) => {
  const recent = new RecentDevices(10);
  for (let id = 0; id < 1_000; id++) {
    recent.set(device(id));
    t.equal(recent.get("0")?.id, "0", "who calls all the time is never forgotten");
  }
  const kept = Array.from({ length: 1_000 }, (_, id) => id).filter((id) => recent.get(String(id)) !== undefined);
  t.ok(kept.length >= 5 && kept.length <= 10, `${kept.length} are kept`);
  t.ok(kept.includes(999));
});

t.test("what is known of a device is what was said last, whichever generation it was in", async (t) => {
  const recent = new RecentDevices(6);
  for (let id = 0; id < 4; id++) recent.set(device(id));
  recent.set(device(1, "second"));
  t.equal(recent.get("1")?.session, "second");
  recent.delete("1");
  recent.delete("3");
  t.notOk(recent.get("1") ?? recent.get("3"));
  t.ok(recent.get("2"));
  recent.clear();
  t.notOk(recent.get("2"));
});
