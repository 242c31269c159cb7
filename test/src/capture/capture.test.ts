import { join } from "node:path";
import t from "tap";
import { temporaryFolder } from "../processes/serve.js";
import { captureRun } from "./captured-run.js";
import { checkCapture, leastCorrelation } from "./checks.js";
import { findings, telltales } from "./traces.js";

t.test("traffic and files of the main job, with fewer people, tell nobody's events, updates or counts", async (t) => {
  const run = await captureRun({ out: join(temporaryFolder(t), "run"), participants: 30 });
  checkCapture(t, run);
  const giving = run.people.filter(({ person }) => person.decision === "give");
  const told = new Map(giving.map(({ device, person }) => [device ?? "", 3 + 0.25 * person.ratings.held.length]));
  t.match(
    telltales(run, leastCorrelation(giving.length), new Map([["planted", told]])),
    [{ field: "planted", count: "training" }, { field: "planted" }, { field: "planted", count: "all" }],
    "a number that went with the count would be found",
  );
  const most = giving.find(({ person }) => person.ratings.items.length >= 10);
  const leak = JSON.stringify([...(most?.person.ratings.items ?? [])]);
  const planted = { ...run, files: new Map([["log", Buffer.from(`{"level":"debug","items":${leak}}`)]]) };
  t.ok(
    [...findings(planted).found].some((name) => name.includes("rated as text")),
    "so would events in a log line",
  );
});
