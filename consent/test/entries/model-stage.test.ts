import t from "tap";
import { encodeBase64Url, isInCanary, type ModelStanding, modelGiven, standingAfter } from "../../src/index.js";

const POPULATION = "lecturers";
const hash = (value: number) => encodeBase64Url(new Uint8Array(32).fill(value));
const subjects = Array.from({ length: 4_000 }, (_, i) => `subject-${i}`);

function chosen(model: string, share: number): string[] {
  return subjects.filter((subject) => isInCanary(POPULATION, { model, share }, subject));
}

t.test(
  "a canary's devices are a fixed part of all, others for each canary, and only more when the share grows",
  (t) => {
    const tenth = chosen(hash(1), 1_000);
    // 400 expected, standard deviation 19: five of them, so a false alarm in two million hashes; these are fixed anyway.
    t.ok(Math.abs(tenth.length - 400) < 95, `${tenth.length} of 4000`);
    t.strictSame(chosen(hash(1), 1_000), tenth);
    const fifth = new Set(chosen(hash(1), 2_000));
    t.ok(tenth.every((it) => fifth.has(it)));
    t.ok(chosen(hash(2), 1_000).filter((it) => tenth.includes(it)).length < 100, "another canary has other devices");
    t.equal(chosen(hash(1), 10_000).length, subjects.length);
    t.end();
  },
);

t.test("what devices get follows from the changes, one after the other", (t) => {
  const [one, two, three] = [1, 2, 3].map((round) => ({ round, model: hash(round) }));
  if (one === undefined || two === undefined || three === undefined) throw new Error("expected three models");
  const steps: [Parameters<typeof standingAfter>[1], ModelStanding][] = [
    [
      { ...one, stage: "live", share: null },
      { live: one, canary: null },
    ],
    [
      { ...two, stage: "canary", share: 500 },
      { live: one, canary: { ...two, share: 500 } },
    ],
    [
      { ...two, stage: "canary", share: 900 },
      { live: one, canary: { ...two, share: 900 } },
    ],
    [
      { ...two, stage: "live", share: null },
      { live: two, canary: null },
    ],
    [
      { ...three, stage: "canary", share: 10_000 },
      { live: two, canary: { ...three, share: 10_000 } },
    ],
    [
      { ...two, stage: "rolled-back", share: null },
      { live: null, canary: { ...three, share: 10_000 } },
    ],
    [
      { ...three, stage: "rolled-back", share: null },
      { live: null, canary: null },
    ],
  ];
  let standing: ModelStanding = { live: null, canary: null };
  for (const [change, wanted] of steps) {
    standing = standingAfter(standing, change);
    t.strictSame(standing, wanted);
  }
  const [inside = ""] = chosen(two.model, 500);
  const outside = subjects.find((subject) => !chosen(two.model, 500).includes(subject)) ?? "";
  const given = (subject: string) =>
    modelGiven(POPULATION, { live: one, canary: { ...two, share: 500 } }, subject)?.round;
  t.strictSame([given(inside), given(outside)], [2, 1]);
  t.equal(modelGiven(POPULATION, standing, inside), null);
  t.end();
});
