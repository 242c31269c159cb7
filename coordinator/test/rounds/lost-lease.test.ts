import t from "tap";
import { Federation } from "../server/federation.js";

t.test("a leader that loses its lease while it takes up a round says that another one leads", async (t) => {
  const first = await Federation.open(t);
  await Promise.all([first.join(), first.join(), first.join()]);
  void first.run();
  await first.notice(({ state }) => state === "selecting");
  await first.close();

  const { coordinator, population } = await Federation.open(t, { dataDir: first.folder });
  const { ledger } = coordinator;
  const entry = ledger.entry.bind(ledger);
  // The round's plan is read once the population's state is known: the lease is lost just then.
  ledger.entry = (index) => {
    population.stepDown();
    return entry(index);
  };
  await t.rejects(population.run(new AbortController().signal), { code: "RETRY", retryAfterMs: 500 });
});
