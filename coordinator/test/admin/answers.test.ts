import t from "tap";
import { answer, asking } from "../analytics/asking.js";
import { POPULATION } from "../server/plans.js";
import { openWithApi } from "./api.js";

const PEOPLE = 6;

/** Half of the people are in each arm; in "long" all answer, in "short" nobody. */
const people = Array.from({ length: PEOPLE }, (_, i) => ({
  sessions: [{ minutes: 10 }],
  messages: [{ arm: i % 2 === 0 ? "short" : "long", answered: i % 2 === 1 }],
}));

const queries = [
  { name: "active", ask: { kind: "count", table: "sessions", minimumDevices: 1 } },
  {
    name: "message",
    ask: {
      kind: "experiment",
      table: "messages",
      arm: "arm",
      arms: ["short", "long"],
      value: { of: "sum", column: "answered" },
      lower: 0,
      upper: 1,
      minimumDevices: 1,
    },
  },
];

t.test("what devices have answered is told as noised estimates, experiments with their analysis", async (t) => {
  // Little noise, so that few people are enough.
  const plan = asking(PEOPLE, queries, { epsilon: undefined, delta: undefined, noiseMultiplier: 0.05 });
  const { federation, get } = await openWithApi(t, { plan: { ...plan, policy: { epsilon: 1_000, delta: 1e-5 } } });
  t.strictSame((await get("/answers")).body, { items: [] });
  t.strictSame((await get("/experiments")).body, { items: [] });
  await answer(federation, people);

  const { body } = await get(`/answers?population=${POPULATION}`);
  const counted = body.items.find(({ query }: { query: string }) => query === "active");
  t.match(counted, { population: POPULATION, kind: "count", members: PEOPLE, estimates: [{ name: String }] });
  const [{ value, low, high }] = counted.estimates;
  // The noise deviates by less than 0.1: a false alarm is one of ten deviations. Intervals end at the number of devices.
  t.ok(low <= high && Math.abs(value - PEOPLE) < 1, `${low} to ${high}, ${value}`);

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

  t.strictSame((await get("/answers?population=others")).body, { items: [] });
  t.strictSame((await get("/experiments?population=others")).body, { items: [] });
  t.strictSame(federation.faults, []);
});
