/** What populations answer lets another train again and moves its canary: one coordinator, real rounds. */

import { analyticsTrainer } from "@fedloop/client-runtime/analytics";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import type { Row } from "@fedloop/privacy/analytics";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import { driftReports } from "../../src/analytics/drift.js";
import { answeredQueries } from "../../src/analytics/results.js";
import type { WatchNotice } from "../../src/analytics/watch.js";
import { commitMove, readRegistry } from "../../src/models/model-registry.js";
import { Federation } from "../server/federation.js";
import { POPULATION, testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";
import { endpointFor, Receiver } from "../webhooks/receiver.js";
import { asking } from "./asking.js";

/** A quarter of them, in two turns together, are four more than drift needs in a bin: eight deviations of the noise. */
const PEOPLE = 48;
const INSIGHT = "insight";

const queries = [
  {
    name: "minutes",
    ask: {
      kind: "histogram",
      table: "sessions",
      value: { of: "last", column: "minutes" },
      edges: [0, 10, 20],
      minimumDevices: 1,
    },
    times: 3,
  },
  {
    name: "canary",
    ask: {
      kind: "experiment",
      table: "answers",
      arm: "model",
      arms: ["live", "canary"],
      value: { of: "sum", column: "right" },
      lower: 0,
      upper: 1,
      minimumDevices: 1,
    },
    times: 3,
  },
];

t.test("drift, not the clock, starts the next training round, and a worse canary is rolled back", async (t) => {
  const folder = temporaryFolder(t);
  const watch = {
    population: INSIGHT,
    retrain: { query: "minutes", after: 1, each: 1 },
    canary: { query: "canary", margin: 0.05 },
  };
  // Noise of a third of a person on each bin, and of half a person on each of an arm's sums.
  const noise = { epsilon: undefined, delta: undefined, noiseMultiplier: 0.3 };
  const asks = { ...asking(PEOPLE, queries, noise), population: INSIGHT, policy: { epsilon: 1_000, delta: 1e-5 } };
  const noticed: WatchNotice[] = [];
  const receiver = await Receiver.open(t);
  const told = new Promise<unknown>((resolve) => {
    receiver.beforeAnswer = async ({ body }) => resolve(JSON.parse(body));
  });
  const { endpoint } = endpointFor(t, receiver.url, { events: ["drift.detected"] });
  const federation = await Federation.open(t, {
    dataDir: folder,
    plan: { rounds: 2, watch, release: "manual" },
    plans: [await testPlan(folder, { rounds: 2, watch, release: "manual" }), await testPlan(folder, asks)],
    onWatch: (notice) => noticed.push(notice),
    webhooks: [endpoint],
  });
  const { coordinator } = federation;
  // In the first turn three of four have short sessions, from the second on one of four.
  let isLong = false;
  const secureAggregation = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
  const people = await Promise.all(
    Array.from({ length: PEOPLE }, (_, i) => {
      const answers: Row[] = [{ model: i % 2 === 0 ? "live" : "canary", right: i % 2 === 0 }];
      const tables = { sessions: () => [{ minutes: (i % 4 === 0) === isLong ? 5 : 15 }], answers };
      return federation.join({ population: INSIGHT, trainer: analyticsTrainer({ tables }), secureAggregation });
    }),
  );
  const learners = await Promise.all(Array.from({ length: 3 }, () => federation.join()));
  const training = learners.map((learner) => federation.takePart(learner));
  const rounds = (population: string) =>
    coordinator.store.db
      .selectFrom("rounds")
      .select("round")
      .where("population", "=", population)
      .where("state", "=", "closed")
      .execute();

  const run = federation.run();
  await federation.notice(({ kind, state }) => kind === "train" && state === "closed");
  await commitMove(coordinator.ledger, POPULATION, { type: "canary", round: 1, share: 5_000, nowMs: Date.now() });
  t.equal((await rounds(POPULATION)).length, 1, "the second training round waits: nothing has drifted");
  const answering = people.map((one) => federation.takePart(one));
  await federation.notice(({ kind, round, state }) => kind === "evaluate" && round === 1 && state === "closed");
  isLong = true;
  await run;
  await Promise.all([...answering, ...training]);

  t.equal((await rounds(POPULATION)).length, 2, "the second training round came after the drift");
  const answers = await answeredQueries(coordinator, INSIGHT);
  t.ok(
    answers.length === 6 && answers.every(({ result }) => result.noiseVariance > 0),
    "all of it rests on noised sums",
  );
  const asked = (await federation.entries("round.plan")).filter(({ body }) => body.population === INSIGHT);
  t.ok(asked.every(({ body }) => body.secureAggregation.enabled && body.privacy.noiseAt === "devices"));
  const [report] = driftReports(answers);
  t.same(
    report?.looks.map(({ turn, reference, drift }) => [turn, reference, drift?.isDrift]),
    [
      [2, 1, true],
      [3, 2, false],
    ],
    "what drifted is the new reference",
  );
  const closes = await federation.entries("round.close");
  const retrained = closes.findIndex(({ body }) => body.population === POPULATION && body.round === 2);
  const drifted = closes.findIndex(({ body }) => body.population === INSIGHT && body.round === 3);
  t.ok(drifted >= 0 && retrained > drifted, "the log shows the order");
  const [model] = await readRegistry(coordinator.store.db, POPULATION);
  t.equal(model?.stage, "rolled-back", "in the canary nobody was right");
  t.same(
    noticed
      .map((notice) => (notice.type === "drift" ? ["drift", notice.report.found] : ["canary", notice.verdict]))
      .sort(),
    [
      ["canary", "roll-back"],
      ["drift", 1],
    ],
  );
  t.match(await told, {
    type: "drift.detected",
    data: { population: INSIGHT, query: "minutes", turn: 2, reference: 1, round: 3 },
  });
  await coordinator.webhooks.settled();
  t.equal(receiver.received.length, 1, "a drift is told once");
  t.same(federation.faults, []);
});
