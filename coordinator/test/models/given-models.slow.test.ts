import { isInCanary } from "@fedloop/consent";
import t from "tap";
import { callsAs, callsTo, HTTP, openWithApi } from "../admin/api.js";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";
import { POPULATION } from "../server/plans.js";

const KEY = "a-key-of-the-test-";

t.test(
  "apps get what the registry says: nothing, a canary, the live model, and after a rollback the one before",
  async (t) => {
    const { federation, get, post } = await openWithApi(t, { plan: { rounds: 2, release: "manual" } });
    const people = await Promise.all(
      [1, 2, 3].map((value) => federation.join({ trainer: new ConstantTrainer(value) })),
    );
    const parts = people.map((person) => federation.takePart(person));
    await federation.run();
    await Promise.all(parts);
    const given = () => Promise.all(people.map(async (person) => (await person.model())?.round));
    t.strictSame(await given(), [undefined, undefined, undefined], "candidates are nobody's yet");
    t.match((await get("/models")).body.items, [
      { round: 2, stage: "candidate" },
      { round: 1, stage: "candidate" },
    ]);

    const path = (round: number, what: string) => `/populations/${POPULATION}/models/${round}/${what}`;
    t.match(await post(path(1, "promote"), {}, `${KEY}1`), {
      status: 200,
      body: { changed: [{ round: 1, stage: "live" }] },
    });
    t.strictSame(await given(), [1, 1, 1]);

    t.match((await post(path(2, "promote"), { canaryPercent: 50 }, `${KEY}2`)).body, {
      changed: [{ round: 2, stage: "canary", sharePercent: 50 }],
    });
    const { items } = (await get("/models?stage=canary")).body;
    const canary = { model: String(items[0].sha256), share: 5_000 };
    const expected = people.map(({ subject }) => (isInCanary(POPULATION, canary, subject) ? 2 : 1));
    t.strictSame(await given(), expected, "each device can find out for itself which one it gets");

    t.equal((await post(path(2, "promote"), {}, `${KEY}3`)).status, 200);
    t.strictSame(await given(), [2, 2, 2]);
    t.match((await post(path(2, "rollback"), {}, `${KEY}4`)).body, {
      changed: [
        { round: 2, stage: "rolled-back" },
        { round: 1, stage: "live" },
      ],
    });
    t.strictSame(await given(), [1, 1, 1], "at the next fetch");
    t.match(await post(path(2, "promote"), {}, `${KEY}5`), { status: 409, body: { code: "WRONG_STATE" } });

    const stages = await federation.entries("model.stage");
    t.strictSame(
      stages.map(({ body: { round, stage, share } }) => [round, stage, share]),
      [
        [1, "live", null],
        [2, "canary", 5_000],
        [2, "live", null],
        [2, "rolled-back", null],
        [1, "live", null],
      ],
    );
    t.strictSame((await federation.audit()).findings, [], "the auditor agrees");

    const { lineage } = (await get(`/populations/${POPULATION}/models/2`)).body;
    const types = [];
    for (const { index } of [lineage.plan, lineage.debit, lineage.release, lineage.close, ...lineage.stages]) {
      const { hash } = [lineage.plan, lineage.debit, lineage.release, lineage.close, ...lineage.stages].find(
        (it) => it.index === index,
      );
      const row = await federation.coordinator.store.db
        .selectFrom("entries")
        .select(["type", "leaf_hash"])
        .where("index", "=", index)
        .executeTakeFirstOrThrow();
      t.equal(Buffer.from(row.leaf_hash).toString("base64url"), hash);
      types.push(row.type);
    }
    t.strictSame(types.slice(0, 4), ["round.plan", "budget.debit", "model.release", "round.close"]);
    t.strictSame(types.slice(4), ["model.stage", "model.stage", "model.stage"]);
    t.strictSame(federation.faults, []);
  },
);

t.test("stages outlive the process, and without a word in the plan each release goes live", async (t) => {
  const first = await Federation.open(t, { plan: { rounds: 2 } });
  const people = await Promise.all([1, 2, 3].map(() => first.join()));
  const parts = people.map((person) => first.takePart(person));
  await first.run();
  await Promise.all(parts);
  t.equal((await people[0]?.model())?.round, 2);
  await first.close();
  const second = await Federation.open(t, { dataDir: first.folder, plan: { rounds: 2 }, http: HTTP });
  const { get } = await callsAs(second.coordinator, "viewer");
  t.match((await get("/models")).body.items, [
    { round: 2, stage: "live" },
    { round: 1, stage: "superseded" },
  ]);
});

t.test("a repeated key has one effect and the same answer; for another request it is refused", async (t) => {
  const { federation, post, call } = await openWithApi(t, { plan: { release: "manual" } });
  const people = await Promise.all([1, 2, 3].map(() => federation.join()));
  const parts = people.map((person) => federation.takePart(person));
  await federation.run();
  await Promise.all(parts);
  const path = `/populations/${POPULATION}/models/1/promote`;
  const answers = await Promise.all([1, 2, 3].map(() => post(path, {}, `${KEY}1`)));
  for (const { status, body } of answers)
    t.match({ status, body }, { status: 200, body: { changed: [{ stage: "live" }] } });
  t.equal((await federation.entries("model.stage")).length, 1);
  t.match(await post(path, { canaryPercent: 5 }, `${KEY}1`), { status: 409, body: { code: "CONFLICT" } });
  t.match(await post(`/populations/${POPULATION}/models/1/rollback`, {}, `${KEY}1`), { status: 409 });
  const viewer = await callsAs(federation.coordinator, "viewer");
  t.equal((await viewer.post(path, {}, `${KEY}2`)).status, 403);
  const other = await callsAs(federation.coordinator, "operator", ["others"]);
  t.equal((await other.post(path, {}, `${KEY}3`)).status, 403);
  const without = await call(`/api/v1${path}`, {
    method: "POST",
    body: "{}",
    headers: { "content-type": "application/json" },
  });
  t.match(without, { status: 400, body: { code: "BAD_REQUEST", detail: /Idempotency-Key/ } });
  t.equal((await post(path, { canaryPercent: 0 }, `${KEY}4`)).status, 400);
  t.equal((await federation.entries("model.stage")).length, 1);
});

t.test(
  "a request whose answer was lost in a crash has had its one effect when it is sent again after the start",
  async (t) => {
    const first = await openWithApi(t, { plan: { rounds: 2, release: "manual" } });
    const people = await Promise.all([1, 2, 3].map(() => first.federation.join()));
    const parts = people.map((person) => first.federation.takePart(person));
    await first.federation.run();
    await Promise.all(parts);
    const path = `/populations/${POPULATION}/models/1/promote`;
    const leaving = new AbortController();
    // The caller goes away the moment the effect is durable, and so does the coordinator.
    const { ledger } = first.federation.coordinator;
    const durable = new Promise<void>((resolve) => {
      const stop = ledger.onGrowth(() => {
        stop();
        leaving.abort();
        resolve();
      });
    });
    const headers = { "content-type": "application/json", "idempotency-key": `${KEY}1` };
    const lost = first.call(`/api/v1${path}`, { method: "POST", body: "{}", headers, signal: leaving.signal });
    await t.rejects(lost, "the answer is lost");
    await durable;
    await first.federation.close();

    const second = await Federation.open(t, {
      dataDir: first.federation.folder,
      plan: { rounds: 2, release: "manual" },
      http: HTTP,
    });
    const again = callsTo(`http://127.0.0.1:${second.coordinator.httpPort}`, first.token);
    t.match(await again.post(path, {}, `${KEY}1`), { status: 200, body: { changed: [{ round: 1, stage: "live" }] } });
    t.equal((await second.entries("model.stage")).length, 1, "what had happened did not happen again");
    t.match(await again.post(path, { canaryPercent: 1 }, `${KEY}1`), { status: 409, body: { code: "CONFLICT" } });
  },
);
