import { join } from "node:path";
import t from "tap";
import { temporaryFolder } from "../processes/serve.js";
import { captureRun } from "./captured-run.js";
import { checkCapture } from "./checks.js";
import { findings, isTelling } from "./traces.js";

t.setTimeout(880_000);

/** Of the main job's people: all of them, unless told otherwise. */
const PEOPLE =
  process.env.FEDLOOP_CAPTURE_PEOPLE === undefined ? undefined : Number(process.env.FEDLOOP_CAPTURE_PEOPLE);

t.test(
  "traffic and files of a full run of the main job, with all its people, tell nobody's events, updates or counts",
  async (t) => {
    checkCapture(
      t,
      await captureRun({
        out: join(temporaryFolder(t), "run"),
        ...(PEOPLE === undefined ? {} : { participants: PEOPLE }),
      }),
    );
  },
);

t.test("the same search finds every update where a plan does without masks and noise", async (t) => {
  const out = join(temporaryFolder(t), "run");
  const run = await captureRun({ out, participants: 20, reason: "to see what the search would find" });
  const { found } = findings(run);
  let sought = 0;
  run.people.forEach(({ person, updates }, i) => {
    for (const round of [1, 3]) {
      // A report of round numbers alone, as of somebody without held-back ratings, is nothing to look for.
      if (person.decision !== "give" || !updates.get(round)?.subarray(0, -1).some(isTelling)) continue;
      sought += 1;
      t.ok(
        [...found].some(
          (name) => name.startsWith("update") && name.endsWith(`of person ${i} in round ${round} as float32`),
        ),
        `person ${i} in round ${round}`,
      );
    }
  });
  t.ok(sought > 1.5 * run.people.length, `${sought} updates and reports, the number of examples in the latter`);
});
