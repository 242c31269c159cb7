import t from "tap";
import { releaseJournal } from "../../src/analytics/journal.js";
import { answer, asking, MESSAGE_EXPERIMENT, messagesOf } from "../analytics/asking.js";
import { POPULATION } from "../server/plans.js";
import { openWithApi } from "./api.js";

const PEOPLE = 6;

const people = Array.from({ length: PEOPLE }, (_, i) => ({
  sessions: [{ minutes: 10 }],
  // All have been here for a week; two thirds of them came back on the day after.
  activity: [0, ...(i % 3 === 0 ? [] : [1])].map((day) => ({ day, tenure: 7 })),
  messages: messagesOf(i),
}));

const queries = [
  { name: "active", ask: { kind: "count", table: "sessions", minimumDevices: 1 } },
  { name: "message", ask: MESSAGE_EXPERIMENT },
  {
    name: "return",
    ask: {
      kind: "ratio",
      table: "activity",
      among: { tenure: { atLeast: 7 } },
      parts: { "day-1": { day: 1 }, "day-7": { day: 7 } },
      minimumDevices: 3,
    },
  },
  {
    name: "length",
    times: 2,
    ask: {
      kind: "histogram",
      table: "sessions",
      value: { of: "mean", column: "minutes" },
      edges: [0, 5, 20],
      minimumDevices: 3,
    },
  },
];

t.test("what devices have answered is told as noised estimates, experiments with their analysis", async (t) => {
  // Little noise, so that few people are enough.
  const plan = asking(PEOPLE, queries, { epsilon: undefined, delta: undefined, noiseMultiplier: 0.07 });
  const { federation, call, get } = await openWithApi(t, {
    plan: { ...plan, policy: { epsilon: 1_000, delta: 1e-5 } },
  });
  t.strictSame((await get("/answers")).body, { items: [] });
  t.strictSame((await get("/experiments")).body, { items: [] });
  t.strictSame((await get("/drift")).body, { items: [] });
  await answer(federation, people);

  const { body } = await get(`/answers?population=${POPULATION}`);
  const counted = body.items.find(({ query }: { query: string }) => query === "active");
  t.match(counted, { population: POPULATION, kind: "count", members: PEOPLE, estimates: [{ name: String }] });
  const [{ value, low, high }] = counted.estimates;
  // The noise deviates by less than 0.1: a false alarm is one of ten deviations, at the others one of more than four. Intervals end at the number of devices.
  t.ok(low <= high && Math.abs(value - PEOPLE) < 1, `${low} to ${high}, ${value}`);
  const metrics = (await call("/metrics")).body;
  t.match(
    metrics,
    `fedloop_answer{population="${POPULATION}",query="active",name="${counted.estimates[0].name}"} ${value}`,
  );
  t.match(
    metrics,
    `fedloop_answer_high{population="${POPULATION}",query="active",name="${counted.estimates[0].name}"} ${high}`,
  );
  t.match(metrics, `fedloop_answer_turn{population="${POPULATION}",query="length"} 2`);
  t.notMatch(metrics, /query="length",name="0–5"/, "what is withheld is not there");
  const journal = await releaseJournal(federation.coordinator);
  t.equal(body.items.length, journal.length);
  for (const item of body.items) {
    const told = journal.find(({ index }) => index === item.journal.index);
    t.match(told, { round: item.round, query: { name: item.query, turn: item.turn }, epsilon: item.epsilon });
    const shown = item.estimates.filter(({ value }: { value: number | null }) => value !== null);
    t.strictSame(
      Object.fromEntries(shown.map(({ name, value }: { name: string; value: number }) => [name, value])),
      told?.values,
      `each number of ${item.query} is that of the journal`,
    );
    t.equal(item.journal.replays, true);
    t.ok(Number(item.ownEpsilon) > 0 && Number(item.ownEpsilon) <= Number(item.epsilon));
  }
  const curve = body.items.find(({ query }: { query: string }) => query === "return");
  t.match(curve, {
    curve: "day",
    estimates: [
      { name: "day-1", at: 1 },
      { name: "day-7", at: 7 },
    ],
  });
  t.ok(Math.abs(curve.estimates[0].value - 2 / 3) < 0.3 && curve.estimates[1].value < 0.3);
  const cells = body.items.find(({ query }: { query: string }) => query === "length");
  t.match(cells, {
    turn: 2,
    minimumDevices: 3,
    estimates: [
      { name: "0–5", value: null, low: null, high: null },
      { name: "5–20", value: Number },
    ],
  });

  const { body: drift } = await get("/drift");
  // Six people are too few to tell a drift from chance, whatever the noise.
  t.match(drift.items, [
    { query: "length", found: 0, looks: [{ turn: 2, reference: 1, isDrift: false, drift: null, fewestDevices: 20 }] },
  ]);
  t.equal(drift.items[0].looks[0].journal.present, cells.journal.index);

  const { body: experiments } = await get("/experiments");
  t.match(experiments.items, [
    {
      population: POPULATION,
      name: "message",
      looks: 1,
      isMismatch: false,
      arms: [{ arm: "short" }, { arm: "long" }],
      comparisons: [{ arm: "long", control: "short" }],
    },
  ]);
  const [{ difference, probabilityBetter }] = experiments.items[0].comparisons;
  t.ok(difference > 0.8 && probabilityBetter > 0.9, `${difference}, ${probabilityBetter}`);
  const [experiment] = experiments.items;
  const [compared] = experiment.comparisons;
  t.match(experiment, {
    lower: 0,
    upper: 1,
    looks: 1,
    journal: [compared.looks[0].journal],
    needs: [{ effect: 0.05 }],
  });
  t.match(compared.looks, [{ turn: 1, low: compared.low, high: compared.high }]);
  t.ok(compared.noiseShare > 0 && compared.noiseShare < 1);
  const fewest = experiment.needs.map(({ participantsPerArm }: { participantsPerArm: number }) => participantsPerArm);
  t.strictSame(
    fewest,
    fewest.toSorted((a: number, b: number) => b - a),
    "larger differences take fewer people",
  );

  t.strictSame((await get("/drift?population=others")).body, { items: [] });
  t.strictSame((await get("/answers?population=others")).body, { items: [] });
  t.strictSame((await get("/experiments?population=others")).body, { items: [] });
  t.strictSame(federation.faults, []);
});
