import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Rounds } from "@fedloop/proto";
import t from "tap";
import { openWithApi } from "../admin/api.js";
import { typedFor } from "../cli/typed.js";
import { RawDevice } from "../rpc/raw-device.js";
import { Federation } from "../server/federation.js";
import { POPULATION } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";
import { Receiver } from "../webhooks/receiver.js";

const FAILURES = 3;
const RETRIES = { pauseAfter: FAILURES, firstMs: 1, longestMs: 1 };

function enter3({ transport }: Federation): Promise<RawDevice[]> {
  return Promise.all([1, 2, 3].map(() => RawDevice.enter(transport)));
}

/** All three join a round. */
async function join3(federation: Federation, devices: readonly RawDevice[], round: number): Promise<void> {
  // A round that a former process began selects anew, without a notice.
  await until(
    async () => federation.population.round,
    (notice) => notice?.round === round && notice.state === "selecting",
  );
  await Promise.all(devices.map((device) => device.join()));
  await federation.notice((notice) => notice.round === round && notice.state === "masked");
}

/** A round that comes to nothing: one of those who are needed leaves. */
async function fail(federation: Federation, devices: readonly RawDevice[], round: number): Promise<void> {
  await join3(federation, devices, round);
  await devices[0]?.call(Rounds.method.leave, { population: POPULATION, round: BigInt(round), reason: "ABORTED" });
  await federation.notice((notice) => notice.round === round && notice.state === "abandoned");
}

/** What is read, once it is as wanted. */
async function until<T>(read: () => Promise<T>, isWanted: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (isWanted(value)) return value;
    await nextTurn();
  }
}

t.test("rounds that come to nothing pause the population, loudly; resumed it is tried again", async (t) => {
  let pausedAs: unknown;
  const secretFile = join(temporaryFolder(t), "secret");
  writeFileSync(secretFile, `whsec_${randomBytes(32).toString("base64")}\n`);
  const receiver = await Receiver.open(t);
  const ops = {
    name: "ops",
    url: receiver.url,
    secretFile,
    events: ["population.paused"],
    allowPrivate: true,
  } as const;
  const { federation, get, post } = await openWithApi(t, {
    retries: RETRIES,
    webhooks: [ops],
    onPaused: (population, notice) => {
      pausedAs = { population, ...notice };
    },
  });
  const devices = await enter3(federation);
  const running = federation.run();
  for (let round = 1; round <= FAILURES; round++) await fail(federation, devices, round);
  const body = await until(
    async () => (await get(`/populations/${POPULATION}`)).body,
    ({ state }) => state === "paused",
  );
  t.match(body, { pause: { reason: "rounds-abandoned" }, failures: FAILURES, finished: null });
  const why = { reason: "rounds-abandoned", failures: FAILURES, round: FAILURES, lastReason: "TOO_FEW_UPDATES" };
  t.match(pausedAs, { population: POPULATION, ...why });
  t.match((await get("/alerts")).body.items, [{ code: "POPULATION_STOPPED", severity: "critical" }]);
  await federation.coordinator.webhooks.settled();
  const { failures: abandoned, ...data } = { population: POPULATION, ...why };
  t.match(
    receiver.received.map(({ body }) => JSON.parse(body)),
    [{ type: "population.paused", data: { ...data, abandoned } }],
  );
  const metrics: string = (await get("/../../metrics")).body;
  t.match(metrics, `fedloop_population_paused{population="${POPULATION}"} 1`);
  t.match(metrics, `fedloop_rounds_abandoned_in_a_row{population="${POPULATION}"} ${FAILURES}`);
  t.match((await post(`/populations/${POPULATION}/resume`, {}, "a-key-of-the-test-1")).body, { state: "running" });
  await join3(federation, devices, FAILURES + 1);
  const update = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
  await Promise.all(devices.map((device) => device.submit(FAILURES + 1, update)));
  await running;
  t.equal(federation.population.finished, "rounds-done");
  t.same((await get("/alerts")).body.items, []);
  t.same((await federation.audit()).findings, []);
});

t.test("a pause outlives the process; a command ends it, and the next process goes on", async (t) => {
  const first = await Federation.open(t, { retries: { ...RETRIES, pauseAfter: 1 } });
  const devices = await enter3(first);
  void first.run();
  await fail(first, devices, 1);
  await until(
    async () => first.population.pause,
    (pause) => pause !== null,
  );
  await first.close();
  const paused = { population: POPULATION, state: "paused", reason: "rounds-abandoned", failures: 1 };
  t.match((await typedFor(first, "populations", "list")).body, { populations: [paused] });
  const second = await Federation.open(t, { dataDir: first.folder });
  void second.run();
  await until(
    async () => second.population.pause,
    (pause) => pause !== null,
  );
  t.same(second.notices, [], "no round begins");
  await second.close();
  const resumed = await typedFor(first, "populations", "resume", POPULATION);
  t.match(resumed, { exitCode: 0, body: { state: "running", reason: null, failures: 0 } });
  const third = await Federation.open(t, { dataDir: first.folder, retries: { ...RETRIES, pauseAfter: 1 } });
  void third.run();
  t.match(await third.notice(({ state }) => state === "selecting"), { round: 2 });
});

t.test("failures before a restart count after it; an operator's own doing does not", async (t) => {
  const first = await Federation.open(t, { retries: { ...RETRIES, pauseAfter: 2 } });
  const devices = await enter3(first);
  void first.run();
  await fail(first, devices, 1);
  await first.notice(({ round, state }) => round === 2 && state === "selecting");
  await first.population.abandonRound(2);
  await first.notice(({ round, state }) => round === 3 && state === "selecting");
  t.equal(first.population.failures, 1);
  await first.close();
  const second = await Federation.open(t, { dataDir: first.folder, retries: { ...RETRIES, pauseAfter: 2 } });
  void second.run();
  for (const device of devices) device.transport = second.transport;
  await fail(second, devices, 3);
  await until(
    async () => second.population.pause,
    (pause) => pause !== null,
  );
  t.equal(second.population.failures, 2);
});
