// A participant in a thread of its own, from outside: the same API, the same errors, the same events.
import { Worker } from "node:worker_threads";
import t, { type Test } from "tap";
import { ClientError, type ParticipationEvent, SettableConditions } from "../../src/index.js";
import { threadPort } from "../../src/index.node.js";
import { type WorkerJoinOptions, WorkerParticipant } from "../../src/worker/index.js";
import { modelFile } from "../coordinator/models.js";
import { PURPOSE, type TestRound } from "../coordinator/plans.js";
import { TestCoordinator } from "../coordinator/test-coordinator.js";
import type { FromTest } from "./worker-main.js";

interface Started {
  readonly coordinator: TestCoordinator;
  readonly worker: Worker;
  readonly join: (overrides?: Partial<WorkerJoinOptions>, data?: Partial<FromTest>) => Promise<WorkerParticipant>;
}

async function start(t: Test, rounds: readonly TestRound[] = []): Promise<Started> {
  const coordinator = await TestCoordinator.start({ rounds });
  const worker = new Worker(new URL("./worker-main.js", import.meta.url));
  t.teardown(async () => {
    await worker.terminate();
    await coordinator.close();
  });
  const join: Started["join"] = (overrides = {}, data = {}) =>
    WorkerParticipant.join({
      worker: threadPort(worker),
      data: { address: coordinator.address, ...data } satisfies FromTest,
      decide: () => true,
      ...overrides,
    });
  return { coordinator, worker, join };
}

t.test("joins, takes part, reads, uses the model, withdraws and leaves through the thread", async (t) => {
  const { coordinator, join } = await start(t, [{}]);
  let shown = "";
  const participant = await join({
    decide: async ({ bytes }) => {
      shown = new TextDecoder().decode(bytes);
      return true;
    },
  });
  t.match(shown, "They stay with you", "the question is asked on this side");
  t.ok(coordinator.permits(participant.subject));
  t.equal(participant.consents[PURPOSE]?.state, "given");
  t.equal(participant.log.origin, coordinator.log.origin);
  const types: string[] = [];
  for await (const { type } of participant.run()) if (type !== "waiting" && type !== "training") types.push(type);
  t.same(types, ["masked", "accepted", "released"]);
  t.equal((await participant.budget()).rounds, 1);
  t.ok((await participant.budget(1e-3)).epsilon < (await participant.budget(1e-9)).epsilon);
  t.equal((await participant.receipts()).length, 2);
  t.equal(await participant.model(), undefined);
  await coordinator.release(modelFile(Float32Array.of(1, 2)));
  t.same([...((await participant.model())?.parameters ?? [])], [1, 2]);
  t.same([...((await participant.model())?.parameters ?? [])], [1, 2], "the kept copy is as it was");
  t.equal((await participant.export({ local: true })).subject, participant.subject);
  t.equal(await participant.forkEvidence(), undefined);
  await participant.withdraw();
  t.equal(participant.consents[PURPOSE]?.state, "withdrawn");
  await participant.ask(PURPOSE);
  t.equal(participant.consents[PURPOSE]?.state, "given");
  await participant.leave();
  await t.rejects(participant.model(), { code: "NOT_ENROLLED" });
  await participant.close();
});

t.test("errors come through with their codes", async (t) => {
  const { join } = await start(t);
  await t.rejects(join({}, { address: "example.org:1" }), { name: "ClientError", code: "BAD_OPTION" });
  const { join: joinFailing } = await start(t);
  const failed = joinFailing({}, { fails: true });
  await t.rejects(failed, { code: "WORKER", message: "the app's own mistake" });
  const { join: joinAsked } = await start(t);
  const decide = (): never => {
    throw new ClientError("CONSENT_REFUSED", "the dialog was closed");
  };
  await t.rejects(joinAsked({ decide }), { code: "CONSENT_REFUSED" });
});

t.test("signals reach into the thread", async (t) => {
  const { join } = await start(t);
  await t.rejects(join({ signal: AbortSignal.abort() }), { code: "ABORTED" });
  const asking = new AbortController();
  const joining = join({
    signal: asking.signal,
    decide: () => {
      asking.abort();
      return true;
    },
  });
  await t.rejects(joining, { code: "ABORTED" });
});

t.test("an aborted run ends, and so does one that is left", async (t) => {
  const { coordinator, join } = await start(t, [{}, {}]);
  const participant = await join();
  const stop = new AbortController();
  for await (const { type } of participant.run({ signal: stop.signal })) if (type === "accepted") stop.abort();
  for await (const { type } of participant.run()) if (type === "accepted") break;
  t.equal(coordinator.updates.size, 2, "and another one can begin");
});

t.test("conditions of this side hold the participant up over there", async (t) => {
  const { coordinator, join } = await start(t, [{}]);
  const conditions = new SettableConditions({ inUse: true });
  const participant = await join({ conditions });
  const events: ParticipationEvent[] = [];
  for await (const event of participant.run()) {
    events.push(event);
    if (event.type !== "waiting" || event.reason !== "in-use") continue;
    t.notOk(coordinator.calls.includes("CheckIn"));
    conditions.set({});
  }
  t.ok(events.some(({ type }) => type === "accepted"));
});

t.test("a thread that ends fails what is under way, and all that comes", async (t) => {
  const { join } = await start(t, [{}]);
  const participant = await join({}, { dies: true });
  const run = async (): Promise<void> => {
    for await (const _ of participant.run());
  };
  await t.rejects(run(), { code: "WORKER" });
  await t.rejects(participant.budget(), { code: "WORKER" });
  await participant.close();
});
