import t from "tap";
import { start, take } from "../coordinator/participants.js";

t.test("a participant consents, trains in every round and ends when the population is done", async (t) => {
  const { coordinator, join } = await start(t, { rounds: [{}, { kind: "evaluate" }, {}] });
  const participant = await join();
  const events = await take(participant.run());
  t.same(
    events.map(({ type }) => type).filter((type) => type !== "waiting" && type !== "training"),
    ["masked", "accepted", "released", "masked", "accepted", "released", "masked", "accepted", "released"],
  );
  t.equal(coordinator.updates.get(1)?.size, 1);
  t.equal((await participant.budget()).rounds, 3);
  t.same(
    participant.receipts().map(({ type }) => type),
    ["consent.given", "round", "round", "round"],
  );
});
