// One round's course in virtual time: what the round machine makes of devices that vanish or are slow.
import { completeThreshold } from "@fedloop/privacy/secagg";
import t from "tap";
import { SeededRandom } from "../../src/simulation/seeded-random.js";
import { courseOf, type Journey } from "../../src/simulation/virtual/course.js";

const RULES = { secureAggregation: false, selectionGoal: 6, minimum: 4, selectionMs: 1_000, reportMs: 10_000 };
const SECURE = { ...RULES, secureAggregation: true };
const GROUPS = { groupTarget: 3, minimumMembers: 3, minimumSurvivors: 2, threshold: completeThreshold };
const random = new SeededRandom(1, ["course"]);

function journeys(...changes: Partial<Journey>[]): Journey[] {
  return changes.map((change, device) => ({ device, trainingMs: 1_000 + device, vanishesAt: null, ...change }));
}

t.test("a round ends when all have answered, in the order in which they did", async (t) => {
  const course = courseOf(RULES, journeys({ trainingMs: 5_000 }, {}, {}, {}, {}, {}), null, 100, random);
  t.equal(course.abandoned, null);
  t.same(course.groups, [[1, 2, 3, 4, 5, 0]]);
  t.equal(course.endMs, 5_100);
});

t.test("who is later than the deadline, or never comes, is not waited for longer", async (t) => {
  const course = courseOf(
    RULES,
    journeys({ trainingMs: 10_001 }, { vanishesAt: "masked" }, {}, {}, {}, {}),
    null,
    0,
    random,
  );
  t.same(course.groups, [[2, 3, 4, 5]]);
  t.same([course.late, course.vanished], [[0], [1]]);
  t.equal(course.endMs, 10_000);
});

t.test("with fewer than the minimum there is no sum, and the reason is told", async (t) => {
  const gone = { vanishesAt: "masked" } as const;
  t.equal(courseOf(RULES, journeys(gone, gone, gone, {}, {}, {}), null, 0, random).abandoned, "TOO_FEW_UPDATES");
  t.equal(courseOf(RULES, journeys({}, {}, {}), null, 0, random).abandoned, "COHORT_TOO_SMALL");
  const silent = { vanishesAt: "keys" } as const;
  const few = courseOf(SECURE, journeys(silent, silent, silent, {}, {}, {}), { ...GROUPS, groupTarget: 6 }, 0, random);
  t.equal(few.abandoned, "TOO_FEW_KEYS");
  t.same(few.groups, []);
});

t.test("a group that loses too many is left out, and costs only its own members", async (t) => {
  const gone = { vanishesAt: "shares" } as const;
  const all = journeys({}, {}, {}, {}, {}, {});
  const whole = courseOf({ ...SECURE, minimum: 3 }, all, GROUPS, 0, new SeededRandom(2, ["split"]));
  t.equal(whole.groups.length, 2);
  const [lost = [], kept = []] = whole.groups;
  const thinned = all.map((journey) => (lost.slice(0, 2).includes(journey.device) ? { ...journey, ...gone } : journey));
  const course = courseOf({ ...SECURE, minimum: 3 }, thinned, GROUPS, 0, new SeededRandom(2, ["split"]));
  t.equal(course.abandoned, null);
  t.same(course.groups, [kept], "its two groups are the same, but for the one that is left out");
});

t.test("who vanishes after its vector is in the sum stays in it, while enough answer for it", async (t) => {
  const course = courseOf(
    SECURE,
    journeys({ vanishesAt: "unmask" }, {}, {}, {}, {}, {}),
    { ...GROUPS, groupTarget: 6 },
    0,
    random,
  );
  t.equal(course.abandoned, null);
  t.same(course.groups.flat().sort(), [0, 1, 2, 3, 4, 5]);
});
