import t from "tap";
import { RawDevice } from "../rpc/raw-device.js";
import { Federation } from "../server/federation.js";
import { ConstantTrainer, HeldTrainer } from "../server/people.js";

t.test("a device that joins and vanishes holds the round to its deadline and no longer", async (t) => {
  const federation = await Federation.open(t, {
    plan: { cohort: { target: 3, minimum: 2, overSelection: 1 }, deadlines: { selection: "20s", report: "300ms" } },
  });
  const people = await Promise.all([1, 2].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  const vanishing = await RawDevice.enter(federation.transport);
  const parts = people.map((person) => federation.takePart(person));
  const running = federation.run();
  await federation.notice(({ state }) => state === "selecting");
  await vanishing.join();
  const { deadlineMs } = await federation.notice(({ state }) => state === "masked");
  await running;
  const closedMs = Date.now();
  await Promise.all(parts);
  t.same(await federation.model(), [1, 1, 1], "(1 + 2) / 3");
  t.ok(deadlineMs !== null && closedMs >= deadlineMs, "it was waited for");
  t.same(await federation.cohorts(), new Map([[1, people.map(({ subject }) => subject).sort()]]));
  t.same((await federation.audit()).findings, []);
});

t.test("a device that gives its place back is not waited for", async (t) => {
  const federation = await Federation.open(t, { plan: { cohort: { target: 3, minimum: 2, overSelection: 1 } } });
  const people = await Promise.all([1, 2].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  const failing = new ConstantTrainer(0);
  failing.train = () => Promise.reject(new Error("out of battery"));
  const fragile = await federation.join({ trainer: failing });
  const parts = [fragile, ...people].map((person) => federation.takePart(person));
  await federation.run();
  const [events] = await Promise.all(parts);
  t.match(
    events?.filter(({ type }) => type === "abandoned"),
    [{ round: 1, reason: "TRAINER_FAILED" }],
  );
  t.same(await federation.model(), [1, 1, 1]);
});

t.test("too few updates by the deadline: abandoned with the reason, and the next round runs", async (t) => {
  const federation = await Federation.open(t, { plan: { deadlines: { selection: "20s", report: "300ms" } } });
  const held = new HeldTrainer(3);
  const people = await Promise.all(
    [held, new ConstantTrainer(1), new ConstantTrainer(2)].map((trainer) => federation.join({ trainer })),
  );
  const parts = people.map((person) => federation.takePart(person));
  const running = federation.run();
  t.match(await federation.notice(({ state }) => state === "abandoned"), { round: 1, reason: "TOO_FEW_UPDATES" });
  held.letGo();
  await running;
  await Promise.all(parts);
  t.match(federation.notices.at(-1), { round: 2, state: "closed" });
  t.same(await federation.model(), [2, 2, 2], "the abandoned round left no trace in the model");
  const [close] = await federation.entries("round.close");
  t.match(close?.body, { round: 1, outcome: "abandoned", reason: "TOO_FEW_UPDATES", cohort: null });
  t.same((await federation.audit()).findings, []);
});

t.test("too few devices by the end of the selection: abandoned with the reason", async (t) => {
  const federation = await Federation.open(t, { plan: { deadlines: { selection: "200ms", report: "20s" } } });
  const people = await Promise.all([1, 2, 3].map((value) => federation.join({ trainer: new ConstantTrainer(value) })));
  const [late] = people;
  const parts = people.slice(1).map((person) => federation.takePart(person));
  const running = federation.run();
  t.match(await federation.notice(({ state }) => state === "abandoned"), { round: 1, reason: "COHORT_TOO_SMALL" });
  if (late !== undefined) parts.push(federation.takePart(late));
  await running;
  await Promise.all(parts);
  t.match(federation.notices.at(-1), { state: "closed" });
  t.same((await federation.audit()).findings, []);
});

t.test("a minimum that has not consented yet is waited for, and comes in time", async (t) => {
  const federation = await Federation.open(t);
  const running = federation.run();
  const people = [];
  for (const value of [1, 2, 3]) people.push(await federation.join({ trainer: new ConstantTrainer(value) }));
  await Promise.all(people.map((person) => federation.takePart(person)));
  await running;
  t.same(await federation.model(), [2, 2, 2]);
});

t.test("a coordinator that is closed in mid-round leaves what is durable, and the next one finishes", async (t) => {
  const first = await Federation.open(t);
  const people = await Promise.all([1, 2, 3].map(() => RawDevice.enter(first.transport)));
  const running = first.run();
  await first.notice(({ state }) => state === "selecting");
  await Promise.all(people.map((person) => person.join()));
  await first.notice(({ state }) => state === "masked");
  await first.close();
  await running;
  const second = await Federation.open(t, { dataDir: first.folder });
  const others = await Promise.all([1, 2, 3].map((value) => second.join({ trainer: new ConstantTrainer(value) })));
  const parts = others.map((person) => second.takePart(person));
  await second.run();
  await Promise.all(parts);
  t.match(second.notices[0], { round: 1, state: "abandoned", reason: "COORDINATOR_RESTARTED" });
  t.match(second.notices.at(-1), { round: 2, state: "closed" });
  t.same((await second.audit()).findings, []);
});
