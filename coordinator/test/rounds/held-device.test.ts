import { type ParticipationEvent, SettableConditions } from "@fedloop/client-runtime";
import t from "tap";
import { Federation } from "../server/federation.js";

t.test("a device that is needed takes no offer, also not one that comes with the round's event", async (t) => {
  const federation = await Federation.open(t, {
    plan: {
      rounds: 2,
      cohort: { target: 1, minimum: 1, overSelection: 1 },
      deadlines: { selection: "60s", report: "60s" },
    },
  });
  const conditions = new SettableConditions();
  const person = await federation.join({ scheduling: { conditions } });
  const running = federation.run();
  const events: ParticipationEvent[] = [];
  for await (const event of person.run({ signal: federation.signal })) {
    events.push(event);
    // The person comes back; the second round begins to select, and its event brings the offer.
    if (event.type === "accepted" && event.round === 1) conditions.set({ inUse: true });
    if (event.type !== "waiting" || event.reason !== "in-use") continue;
    await federation.notice(({ round, state }) => round === 2 && state === "selecting");
    t.notOk(
      federation.notices.some(({ round, state }) => round === 2 && state === "configured"),
      "nobody has joined",
    );
    conditions.set({});
  }
  await running;
  t.ok(events.some((event) => event.type === "waiting" && event.reason === "in-use"));
  t.same(
    events.flatMap((event) => (event.type === "accepted" ? [event.round] : [])),
    [1, 2],
  );
});
