// What an operator does where two coordinators share PostgreSQL and NATS: tokens, invitations, drain, models, answers.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { answeringTrainer } from "@fedloop/client-runtime/analytics";
import t from "tap";
import { decodeSafetensors } from "../../src/models/safetensors.js";
import { type Calls, callsTo } from "../admin/api.js";
import { NatsServer, withoutNats } from "../messaging/nats-server.js";
import { ConstantTrainer, HeldTrainer } from "../server/people.js";
import { POPULATION } from "../server/plans.js";
import { PostgresServer, withoutPostgres } from "../store/postgres-server.js";
import { within } from "../within.js";
import { Pair } from "./pair.js";

t.setTimeout(300_000);

t.test("where two coordinators share PostgreSQL and NATS", { skip: withoutPostgres() || withoutNats() }, async (t) => {
  const postgres = await PostgresServer.start();
  t.teardown(() => postgres.close());
  const nats = await NatsServer.start();
  t.teardown(() => nats.close());

  t.test("tokens and invitations that a command anywhere makes or ends count at both", async (t) => {
    const { pair, one, two } = await Pair.open(t, postgres, nats, { enrolment: { type: "token", tokens: [] } });
    const made = await pair.command("tokens", "create", "--role", "viewer", "--name", "board");
    t.equal(made.exitCode, 0, made.err);
    const apis = [one, two].map(({ coordinator }) =>
      callsTo(`http://127.0.0.1:${coordinator.httpPort}`, made.body.token),
    );
    /** On a very busy machine the database may answer late: the API says then to come back. */
    const statusOf = async ({ get }: Calls): Promise<number> => {
      for (;;) {
        const { status } = await get("/populations");
        if (status !== 503) return status;
      }
    };
    const statuses = () => within(Promise.all(apis.map(statusOf)), () => "an answer other than to come back");
    t.strictSame(await statuses(), [200, 200]);
    await pair.command("tokens", "revoke", made.body.tokenId);
    t.strictSame(await statuses(), [401, 401]);

    const invited = await pair.command("invitations", "create", "--name", "a class");
    t.equal(invited.exitCode, 0, invited.err);
    void one.run();
    void two.run();
    await t.rejects(two.join(), { message: /TOKEN_REQUIRED/ });
    await two.join({ token: invited.body.invitation });
    await t.rejects(one.join({ token: invited.body.invitation }), { message: /TOKEN_USED/ });
    t.match((await pair.command("invitations", "list")).body, { invitations: [{ used: 1, state: "used" }] });

    const [first, second] = [await pair.api(one), await pair.api(two)];
    await first.post(`/populations/${POPULATION}/pause`, {}, "a-key-of-the-test-1");
    for (const { get } of [first, second]) {
      t.match((await get("/alerts")).body, { items: [{ code: "POPULATION_PAUSED", population: POPULATION }] });
    }
    await second.post(`/populations/${POPULATION}/resume`, {}, "a-key-of-the-test-2");
    for (const { get } of [first, second]) t.strictSame((await get("/alerts")).body, { items: [] });
  });

  t.test("a round is given up at the coordinator that does not lead it; one that drains ends its round", async (t) => {
    const { pair, one, two } = await Pair.open(t, postgres, nats, { plan: { rounds: 2 } });
    void one.run();
    await pair.led();
    void two.run();
    const held = [1, 2, 4].map((value) => new HeldTrainer(value));
    const people = await Promise.all(held.map((trainer) => two.join({ trainer })));
    await one.notice(({ state }) => state === "selecting");
    t.equal(await pair.leader(), one.address);
    const other = await pair.api(two);
    const abandon = (round: number, key: string) =>
      other.post(`/populations/${POPULATION}/rounds/${round}/abandon`, {}, key);
    const given = await abandon(1, "a-key-of-the-test-2");
    t.match(given, { status: 200, body: { round: 1, state: "abandoned", reason: "OPERATOR_STOPPED" } });
    t.match(await abandon(1, "a-key-of-the-test-2"), { status: 200, body: { state: "abandoned" } });
    t.match(await abandon(7, "a-key-of-the-test-3"), { status: 409, body: { code: "WRONG_STATE" } });
    const parts = people.map((person) => two.takePart(person));
    await Promise.all(held.map(({ begun }) => begun));
    const api = await pair.api(one);
    t.equal((await api.post("/drain", {}, "a-key-of-the-test-1")).status, 202);
    t.equal(one.coordinator.drainRequested.aborted, true);
    // As `serve` does when it is asked to.
    const drained = one.coordinator.drain(60_000);
    t.match(await api.call("/readyz"), { status: 503, body: { status: "draining" } });
    for (const trainer of held) trainer.letGo();
    await drained;
    t.match(one.notices.at(-1), { round: 2, state: "closed" });
    await two.notice(({ round, state }) => round === 3 && state === "closed");
    t.equal(await pair.leader(), two.address, "before the first has ended");
    t.notOk(one.notices.some(({ round }) => round === 3));
    await Promise.all(parts);
    t.strictSame([...one.faults, ...two.faults], []);
  });

  t.test("models, answers and experiments are read from anywhere, wherever they lie", async (t) => {
    const ask = {
      kind: "votes",
      table: "tuning",
      candidate: "name",
      loss: "error",
      candidates: ["low", "high"],
      minimumDevices: 1,
    };
    const analytics = { when: "before", queries: [{ name: "rate", ask }] };
    const { pair, one, two } = await Pair.open(t, postgres, nats, { plan: { analytics, release: "manual" } });
    const ended = Promise.race([one.run(), two.run()]);
    const tables = { tuning: ["low", "high"].map((name, i) => ({ name, error: 1 - i })) };
    const people = await Promise.all(
      [1, 2, 4].map((value) => two.join({ trainer: answeringTrainer(new ConstantTrainer(value), { tables }) })),
    );
    const parts = people.map((person) => two.takePart(person));
    await ended;
    await Promise.all(parts);

    const out = join(pair.folder, "model.safetensors");
    const exported = await pair.command("models", "export", POPULATION, "2", "--out", out);
    t.equal(exported.exitCode, 0, exported.err);
    t.strictSame([...decodeSafetensors(readFileSync(out)).parameters], [7 / 3, 7 / 3, 7 / 3].map(Math.fround));
    const promoted = await pair.command("models", "promote", POPULATION, "2");
    t.match(promoted, { exitCode: 0, body: { models: [{ round: 2, stage: "live" }] } }, promoted.err);
    t.match((await pair.command("models", "list")).body, { models: [{ stage: "live" }] });

    t.match((await pair.command("analytics", "list")).body, { answers: [{ name: "rate", members: 3 }] });
    const shown = await pair.command("analytics", "show", "rate");
    t.match(shown.body, { answers: [{ results: [{}, { name: "high", value: 3 }] }] }, shown.err);
    t.match(await pair.command("journal"), { exitCode: 0, body: { same: true } });
    t.match(await pair.command("analytics", "replay"), { exitCode: 0 });
    t.match(await pair.command("experiments", "list"), { exitCode: 0 });
    t.match(await pair.command("budget"), { exitCode: 0 });
    t.match(await pair.command("vault", "status"), { exitCode: 0, body: { subjects: 3 } });
    await pair.isWhole(t, one, async () => {
      const bundle = await pair.command("audit-bundle", "export", "--out", join(pair.folder, "bundle.jsonl"));
      t.equal(bundle.exitCode, 0, bundle.err);
      return bundle.body.entries;
    });
    t.strictSame([...one.faults, ...two.faults], []);
  });
});
