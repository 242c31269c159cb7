import { type EntryBodies, eligibleRoot, parseEntry } from "@fedloop/consent";
import { systemRandom } from "@fedloop/privacy";
import t from "tap";
import { ArtifactStore } from "../../src/models/artifact-store.js";
import { buildSchedule } from "../../src/rounds/build-schedule.js";
import { eligibleParticipants } from "../../src/rounds/eligibility.js";
import { PopulationState } from "../../src/rounds/population-state.js";
import { costOf } from "../../src/rounds/round-spec.js";
import { PopulationRoundWork } from "../../src/rounds/round-work.js";
import { openSqliteStore } from "../../src/store/sqlite.js";
import { manualClock, ORIGIN, openLedger, policyBody, TestDevice } from "../ledger/fixture.js";
import { testPlan } from "../server/plans.js";
import { temporaryFolder } from "../temporary-folder.js";

t.test("a consent that ends between the look at it and the plan is not in the plan", async (t) => {
  const store = await openSqliteStore(":memory:");
  const clock = manualClock();
  const ledger = await openLedger(store, { clock });
  t.teardown(async () => {
    await ledger.close();
    await store.close();
  });
  await ledger.commit((tx) => tx.append("policy.publish", policyBody()));
  const [short, long] = [new TestDevice(1), new TestDevice(2)];
  const ends = { time: clock.ms, validUntil: clock.ms + 10, state: "given" as const };
  for (const entry of [await short.consent("given", { event: ends }), await long.consent("given")]) {
    await ledger.commit((tx) => tx.appendSigned(entry));
  }
  const folder = temporaryFolder(t);
  const schedule = buildSchedule((await testPlan(folder)).plan, 1);
  const [spec] = schedule.rounds;
  if (spec === undefined) throw new Error("expected a round");
  const artifacts = await ArtifactStore.open(folder);
  const population = { name: schedule.population, plan: "{}", state: "running" as const, created_ms: 0 };
  await store.db.insertInto("populations").values(population).execute();
  const initial = await artifacts.put(new Uint8Array(12));
  const { state } = await PopulationState.load(store, schedule, initial);
  const looks: number[] = [];
  const eligible = async () => {
    const answer = await eligibleParticipants({
      registry: { subjects: async () => [short.subject, long.subject] },
      ledger,
      budgets: state.participants,
      schedule,
      cost: costOf(spec, undefined),
      clock,
    });
    looks.push(answer.members.size);
    clock.ms += 10;
    return answer;
  };
  const deps = { ledger, store, artifacts, clock, random: systemRandom(), schedule, state, origin: ORIGIN, eligible };
  const work = new PopulationRoundWork({ ...deps, noiseKey: new Uint8Array(32) }, spec, { round: 1, position: null });
  await work.begin();
  await work.reserve();
  t.same(looks, [2, 1], "it looked once more");
  const entry = parseEntry(await ledger.entry(work.plan?.index ?? -1));
  const { eligible: said } = entry.body as EntryBodies["round.plan"];
  t.same(said, { count: 1, root: eligibleRoot([long.subject]) });
  const { view } = ledger;
  t.same(view.eligible(schedule.population, schedule.purpose, entry.ts, work.plan?.body.consentTreeSize), [
    long.subject,
  ]);
});
