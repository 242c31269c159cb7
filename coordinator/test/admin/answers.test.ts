import t from "tap";
import { answer, asking } from "../analytics/asking.js";
import { POPULATION } from "../server/plans.js";
import { openWithApi } from "./api.js";

const PEOPLE = 4;

t.test("what devices have answered is told as noised estimates with their intervals", async (t) => {
  const ask = { kind: "count", table: "sessions", minimumDevices: 1 };
  const { federation, get } = await openWithApi(t, { plan: asking(PEOPLE, [{ name: "active", ask }]) });
  t.strictSame((await get("/answers")).body, { items: [] });
  await answer(
    federation,
    Array.from({ length: PEOPLE }, () => ({ sessions: [{ minutes: 10 }] })),
  );
  const { body } = await get(`/answers?population=${POPULATION}`);
  t.match(body.items, [
    {
      population: POPULATION,
      round: 1,
      query: "active",
      kind: "count",
      members: PEOPLE,
      estimates: [{ name: String }],
    },
  ]);
  const [{ value, low, high }] = body.items[0].estimates;
  t.ok(low < value && value < high, `${low} < ${value} < ${high}`);
  t.strictSame((await get("/answers?population=others")).body, { items: [] });
  t.strictSame(federation.faults, []);
});
