import { answeringTrainer } from "@fedloop/client-runtime/analytics";
import t from "tap";
import { answeredQueries } from "../../src/analytics/results.js";
import { Federation } from "../server/federation.js";
import { ConstantTrainer } from "../server/people.js";

t.test("a plan tunes, then trains, with devices that do both", async (t) => {
  const ask = {
    kind: "votes",
    table: "tuning",
    candidate: "name",
    loss: "error",
    candidates: ["low", "high"],
    minimumDevices: 1,
  };
  const analytics = { when: "before", queries: [{ name: "rate", ask }] };
  const federation = await Federation.open(t, { plan: { analytics } });
  const tables = {
    tuning: [
      { name: "low", error: 0.4 },
      { name: "high", error: 0.2 },
    ],
  };
  const both = await Promise.all(
    [1, 2, 4].map((value) => federation.join({ trainer: answeringTrainer(new ConstantTrainer(value), { tables }) })),
  );
  const parts = both.map((participant) => federation.takePart(participant));
  await federation.run();
  await Promise.all(parts);
  const [answered] = await answeredQueries(federation.coordinator);
  t.same(answered?.kept, { high: 3 });
  t.same(
    (await federation.entries("round.plan")).map(({ body }) => [body.kind, body.trainer.id]),
    [
      ["evaluate", "analytics"],
      ["train", "test"],
    ],
  );
  t.same(await federation.model(), [7 / 3, 7 / 3, 7 / 3].map(Math.fround));
  t.ok((await federation.audit()).ok);
});
