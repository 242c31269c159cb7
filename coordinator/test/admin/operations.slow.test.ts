import t from "tap";
import { Federation } from "../server/federation.js";
import { HeldTrainer } from "../server/people.js";
import { POPULATION } from "../server/plans.js";
import { callsTo, HTTP, openWithApi } from "./api.js";

const KEY = "a-key-of-the-test-";

t.test("a paused population ends its round and begins no other until it is resumed", async (t) => {
  const { federation, get, post } = await openWithApi(t, { plan: { rounds: 2 } });
  const trainers = [1, 2, 3].map((value) => new HeldTrainer(value));
  const people = await Promise.all(trainers.map((trainer) => federation.join({ trainer })));
  const parts = people.map((person) => federation.takePart(person));
  const running = federation.run();
  await Promise.all(trainers.map(({ begun }) => begun));
  t.match((await post(`/populations/${POPULATION}/pause`, {}, `${KEY}1`)).body, { state: "paused" });
  for (const trainer of trainers) trainer.letGo();
  await federation.notice(({ round, state }) => round === 1 && state === "closed");
  t.match((await get(`/populations/${POPULATION}`)).body, { state: "paused", rounds: { byState: { closed: 1 } } });
  t.match((await get("/alerts")).body.items, [{ code: "POPULATION_PAUSED" }]);
  t.match((await post(`/populations/${POPULATION}/resume`, {}, `${KEY}2`)).body, { state: "running" });
  await running;
  await Promise.all(parts);
  t.match((await get(`/populations/${POPULATION}`)).body, { state: "finished", rounds: { byState: { closed: 2 } } });
});

t.test("a round is given up once, whoever asks how often; one that is not under way is not", async (t) => {
  const { federation, post } = await openWithApi(t);
  await Promise.all([federation.join(), federation.join(), federation.join()]);
  t.equal((await post(`/populations/${POPULATION}/rounds/1/abandon`, {}, `${KEY}0`)).status, 409);
  void federation.run();
  await federation.notice(({ state }) => state === "selecting");
  const path = `/populations/${POPULATION}/rounds/1/abandon`;
  for (const key of [1, 1, 2]) {
    const { status, body } = await post(path, {}, `${KEY}${key}`);
    t.match({ status, body }, { status: 200, body: { round: 1, state: "abandoned", reason: "OPERATOR_STOPPED" } });
  }
  t.equal((await federation.entries("round.close")).filter(({ body }) => body.round === 1).length, 1);
  const other = `/populations/${POPULATION}/rounds/2/abandon`;
  t.match(
    await post(other, {}, `${KEY}1`),
    { status: 409, body: { code: "CONFLICT" } },
    "the key was for another round",
  );
});

t.test(
  "asked to drain, the coordinator says so to whoever runs the process; sent again, the request drains no later one",
  async (t) => {
    const first = await openWithApi(t);
    t.equal(first.federation.coordinator.drainRequested.aborted, false);
    for (let i = 0; i < 2; i++)
      t.match(await first.post("/drain", {}, `${KEY}1`), { status: 202, body: { status: "draining" } });
    t.equal(first.federation.coordinator.drainRequested.aborted, true);
    const pause = `/populations/${POPULATION}/pause`;
    t.match(await first.post(pause, {}, `${KEY}1`), { status: 409, body: { code: "CONFLICT" } });
    await first.federation.close();
    const second = await Federation.open(t, { dataDir: first.federation.folder, http: HTTP });
    const again = callsTo(`http://127.0.0.1:${second.coordinator.httpPort}`, first.token);
    t.match(await again.post("/drain", {}, `${KEY}1`), { status: 202, body: { status: "draining" } });
    t.equal(second.coordinator.drainRequested.aborted, false);
    t.equal((await again.post("/drain", {}, `${KEY}2`)).status, 202);
    t.equal(second.coordinator.drainRequested.aborted, true);
  },
);
