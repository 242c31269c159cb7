import t from "tap";
import { RoundWatch } from "../load-rounds.js";
import { memoryCourse, problemsOf } from "../load-verdict.js";

const MINUTES = 20;

/** A sample a minute, a little above or below what `mb` says. */
function samples(mb: (minute: number) => number) {
  return Array.from({ length: MINUTES }, (_, minute) => {
    const residentMb = mb(minute) + (minute % 3) * 5;
    return { minute, residentMb, inUseMb: residentMb / 3, outsideMb: residentMb / 9, pauseMs: 100 };
  });
}

const HEALTHY = {
  memory: memoryCourse(
    samples(() => 500),
    MINUTES,
  ),
  rounds: { a: { closed: 3, abandoned: {}, stuck: 0, isPaused: false, longestSeconds: 60, medianSeconds: 50 } },
  checkIn: { count: 10 },
  devices: { asked: 5, seen: 5 },
};

t.test("memory that grows after the warm-up fails a run; what grows before it, or comes and goes, does not", (t) => {
  const run = (mb: (minute: number) => number): string[] =>
    problemsOf({ ...HEALTHY, memory: memoryCourse(samples(mb), MINUTES) });
  t.same(
    run(() => 500),
    [],
  );
  t.same(
    run((minute) => Math.min(100 + 100 * minute, 500)),
    [],
  );
  t.same(
    run((minute) => 500 + (Math.floor(minute) % 3) * 20),
    [],
  );
  t.same(
    run((minute) => 500 - 5 * minute),
    [],
  );
  t.match(
    run((minute) => 500 + 4 * minute),
    [/^memory grows by [\d.]+ MB a minute, (9|10) % after the warm-up$/],
  );
  t.end();
});

t.test(
  "a round that does not move fails a run, and so do none that close, a pause, and devices that nobody heard of",
  (t) => {
    let nowMs = 0;
    const watch = new RoundWatch(["a", "b"], 1_000, () => nowMs);
    const told: string[] = [];
    const look = (): void => watch.look((line) => told.push(line));
    watch.see("a", 1, "selecting", null);
    watch.see("b", 1, "selecting", null);
    nowMs = 900;
    watch.see("a", 1, "masked", null);
    nowMs = 1_500;
    watch.see("b", 1, "abandoned", "COHORT_TOO_SMALL");
    look();
    t.same(told, []);
    watch.see("a", 1, "closed", null);
    watch.see("a", 2, "planned", null);
    nowMs = 3_000;
    for (let i = 0; i < 2; i++) look();
    t.same(told, ["round 2 of a is stuck in planned"]);
    watch.paused("b");
    const rounds = watch.counts();
    t.match(rounds, {
      a: { closed: 1, stuck: 1, longestSeconds: 1.5, isPaused: false },
      b: { closed: 0, abandoned: { COHORT_TOO_SMALL: 1 }, stuck: 0, longestSeconds: 1.5, isPaused: true },
    });
    t.same(problemsOf({ ...HEALTHY, rounds, checkIn: { count: 0 }, devices: { asked: 5, seen: 4 } }), [
      "1 rounds of a were stuck",
      "no round of b was closed",
      "b was paused after abandoned rounds",
      "no check-in was answered",
      "only 4 of 5 devices were answered",
    ]);
    t.same(problemsOf(HEALTHY), []);
    t.end();
  },
);
