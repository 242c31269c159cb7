// Rounds under secure aggregation in which every device is a process that can die, be late or be slow: the sum is that of
// the devices in the cohort list, or the round is given up with a reason.
import t from "tap";
import { roundBooks, type SecureCall, SecureDevice, securePlan } from "./secure-rounds.js";
import { ServeProcess, temporaryFolder, writeConfiguration } from "./serve.js";

t.setTimeout(800_000);

async function subjectsOf(devices: readonly SecureDevice[]): Promise<string[]> {
  return (await Promise.all(devices.map((device) => device.subject()))).sort();
}

function mean(devices: readonly SecureDevice[], target: number): number {
  return Math.fround(devices.reduce((sum, { value }) => sum + value, 0) / target);
}

t.test("one device is killed before every call of the protocol, all in one round", async (t) => {
  const config = writeConfiguration(temporaryFolder(t), securePlan({ target: 16, minimum: 11 }, "8s"));
  const server = new ServeProcess(t, config);
  const { address } = await server.listening();
  const calls: readonly SecureCall[] = ["advertiseKeys", "shareKeys", "submitMasked", "confirmSurvivors", "unmask"];
  const dying = calls.map((call, i) => new SecureDevice(t, address, i, call));
  const living = Array.from({ length: 11 }, (_, i) => new SecureDevice(t, address, 100 + i));
  for (const device of dying) {
    await device.standing();
    await device.kill();
  }
  t.match(await server.line(({ event }) => event === "finished"), { why: "rounds-done" });
  server.child.kill("SIGTERM");
  t.equal(await server.exit(), 0, server.log);
  const present = [...living, ...dying.slice(3)];
  const books = await roundBooks(config, 1);
  t.same(books.subjects, await subjectsOf(present), "the last two had sent their vectors");
  t.equal(books.model, mean(present, 16));
});

for (const [call, reason] of [
  ["shareKeys", "TOO_FEW_SHARES"],
  ["unmask", "TOO_FEW_UNMASK_ANSWERS"],
] as const) {
  t.test(`more devices are killed before ${call} than the plan tolerates: ${reason}, and no model`, async (t) => {
    const config = writeConfiguration(temporaryFolder(t), securePlan({ target: 6, minimum: 5 }, "6s"));
    const server = new ServeProcess(t, config);
    const { address } = await server.listening();
    const dying = [1, 2].map((value) => new SecureDevice(t, address, value, call));
    for (const value of [3, 4, 5, 6]) new SecureDevice(t, address, value);
    for (const device of dying) await device.standing();
    await Promise.all(dying.map((device) => device.kill()));
    const ended = await server.line(({ state }) => state === "abandoned" || state === "closed");
    t.match(ended, { state: "abandoned", reason });
    server.child.kill("SIGTERM");
    await server.exit();
    t.match(await roundBooks(config, 1), { state: "abandoned", reason, subjects: [], model: 0 });
  });
}

t.test("a device that comes too late with its vector is not in the sum, and is told so", async (t) => {
  const config = writeConfiguration(temporaryFolder(t), securePlan({ target: 6, minimum: 5 }, "6s"));
  const server = new ServeProcess(t, config);
  const { address } = await server.listening();
  const late = new SecureDevice(t, address, 50, "submitMasked");
  const others = [1, 2, 3, 4, 5].map((value) => new SecureDevice(t, address, value));
  await late.standing();
  await server.line(({ state }) => state === "consistency");
  late.letGo();
  t.match(await server.line(({ event }) => event === "finished"), { why: "rounds-done" });
  t.equal(await late.exit(), 0, late.log);
  t.notOk(late.hasAccepted(1));
  server.child.kill("SIGTERM");
  t.equal(await server.exit(), 0, server.log);
  const books = await roundBooks(config, 1);
  t.same(books.subjects, await subjectsOf(others));
  t.equal(books.model, mean(others, 6));
});

t.test("devices whose vectors arrive about the deadline are in the sum, or not, and know which", async (t) => {
  const config = writeConfiguration(temporaryFolder(t), securePlan({ target: 10, minimum: 7 }, "6s"));
  const server = new ServeProcess(t, config);
  const { address } = await server.listening();
  const slow = [100, 200, 400].map((value) => new SecureDevice(t, address, value, "submitMasked"));
  const others = [1, 2, 3, 4, 5, 6, 7].map((value) => new SecureDevice(t, address, value));
  const { deadlineMs } = await server.line(({ state }) => state === "masked");
  await Promise.all(slow.map((device) => device.standing()));
  // The faults of this test: one is let go a little before the deadline, one at it, one a little after.
  await Promise.all(
    [-40, 0, 40].map(async (offsetMs, i) => {
      await new Promise((resolve) => setTimeout(resolve, (deadlineMs ?? 0) + offsetMs - Date.now()));
      slow[i]?.letGo();
    }),
  );
  t.match(await server.line(({ event }) => event === "finished"), { why: "rounds-done" });
  for (const device of slow) t.equal(await device.exit(), 0, device.log);
  server.child.kill("SIGTERM");
  t.equal(await server.exit(), 0, server.log);
  const books = await roundBooks(config, 1);
  const present = [...slow.filter((device) => device.hasAccepted(1)), ...others];
  t.same(
    books.subjects,
    await subjectsOf(present),
    "who was told that its vector counts is in the list, and no one else",
  );
  t.equal(books.model, mean(present, 10));
});
