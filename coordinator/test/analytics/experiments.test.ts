/** An experiment end to end: four turns under masks and noise, analysed from what was released, by the command too. */
import t from "tap";
import { experimentAnalyses } from "../../src/analytics/experiments.js";
import { answeredQueries } from "../../src/analytics/results.js";
import { Federation } from "../server/federation.js";
import { answer, asking, MESSAGE_EXPERIMENT, messagesOf } from "./asking.js";
import { command } from "./command.js";

const PEOPLE = 10;

const people = Array.from({ length: PEOPLE }, (_, i) => ({ messages: messagesOf(i) }));
const ask = { about: "templates 3f9a", ...MESSAGE_EXPERIMENT };

t.test("each participant counts in one turn; releases are pooled, analysed and shown with their noise", async (t) => {
  // Little noise, so that ten people are enough to see that nobody is counted twice.
  const plan = asking(PEOPLE, [{ name: "message", ask, times: 2 }], {
    epsilon: undefined,
    delta: undefined,
    noiseMultiplier: 0.05,
  });
  const federation = await Federation.open(t, { plan: { ...plan, policy: { epsilon: 1_000, delta: 1e-5 } } });
  await answer(federation, people);
  const answers = await answeredQueries(federation.coordinator);
  t.equal(answers.length, 2);
  const counts = answers.map(({ result }) => result.arms?.map(({ sums }) => Math.round(sums[0])));
  t.same(
    counts,
    [
      [5, 5],
      [0, 0],
    ],
    "in the second turn nobody is left to be counted",
  );
  const [analysis] = experimentAnalyses(answers, { plannedLooks: () => 2 });
  t.equal(analysis?.looks, 2);
  t.equal(analysis?.sampleRatio.isMismatch, false);
  const found = analysis?.analyses[0]?.analysis;
  t.ok(found !== null && found !== undefined && found.difference.value > 0.8);
  t.ok((found?.difference.noiseVariance ?? 0) > 0, "the noise is in the variance");
  const federationEpsilon = federation.entries("budget.debit").then((all) => all.map(({ body }) => body.epsilon));
  await federationEpsilon;
  await federation.close();

  const listed = await command(federation.folder, "experiments", "list", "--json");
  t.match(JSON.parse(listed.out), {
    experiments: [{ name: "message", looks: 2, arms: ["short", "long"], isMismatch: false }],
  });
  const shown = await command(federation.folder, "experiments", "show", "message");
  t.match(shown.out, /long less short: 0\.9|long less short: 1/);
  t.match(shown.out, /at any look/);
  t.match(shown.out, /what it takes to see.*\n {4}a difference of 0\.05: \d+ devices an arm; with as many as now/);
  const json = JSON.parse((await command(federation.folder, "experiments", "show", "message", "--json")).out);
  t.same(
    json.experiments[0].analyses[0].analysis.difference.value,
    found?.difference.value,
    "the command computes the same",
  );
  const unknown = await command(federation.folder, "experiments", "show", "other");
  t.equal(unknown.exitCode, 2);
  t.match(unknown.err, "message");

  const replayed = await command(federation.folder, "analytics", "replay");
  t.match(replayed.out, "2 answers read again, all the same");
  t.equal(replayed.exitCode, 0);
  const journal = JSON.parse((await command(federation.folder, "journal", "--json")).out);
  t.equal(journal.same, true);
  t.match(journal.journal, [
    { type: "answer", query: { name: "message", turn: 1, about: "templates 3f9a" }, differing: [] },
    { type: "answer", query: { name: "message", turn: 2 }, epsilon: (await federationEpsilon).at(-1) },
  ]);
  const answered = JSON.parse((await command(federation.folder, "analytics", "show", "message", "--json")).out);
  t.match(answered.answers[0], { kind: "experiment", turn: 2, members: PEOPLE });
  t.match((await command(federation.folder, "analytics", "list")).out, /message \(experiment\) 1 .*10 devices/);
  t.equal((await command(federation.folder, "analytics", "show", "none")).exitCode, 2);
});
