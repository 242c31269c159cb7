import { memoryStore } from "@fedloop/client-runtime";
import fc from "fast-check";
import t from "tap";
import {
  armMoments,
  type Bandit,
  DECISIONS_KEPT,
  type Decision,
  DecisionLog,
  doublyRobust,
  draw,
  inversePropensity,
  largestOfNormals,
  linUcb,
  type PolicyEstimate,
  type RandomNumbers,
  seededNumbers,
  selfNormalised,
  type TargetPolicy,
  thompsonSampling,
} from "../../src/index.js";

const ARMS = ["short", "friendly", "challenge"];
const DIMENSION = 3;

/** Chance that a person of a context opens a message: each arm is best for some. */
function chance([, morning = 0, keen = 0]: readonly number[], arm: string): number {
  if (arm === "short") return 0.25 + 0.3 * morning;
  return arm === "friendly" ? 0.45 - 0.25 * morning : 0.15 + 0.45 * keen;
}

function person(random: RandomNumbers): number[] {
  return [1, random.below(2), random.uniform() < 0.3 ? 1 : 0];
}

/** Decisions of a bandit that learns as it goes. */
function played(bandit: Bandit, random: RandomNumbers, decisions: number): Decision[] {
  return Array.from({ length: decisions }, () => {
    const context = person(random);
    const { arm, propensity } = bandit.choose(context, random);
    const reward = random.uniform() < chance(context, arm) ? 1 : 0;
    bandit.learn(context, arm, reward);
    return { context, arm, propensity, reward };
  });
}

function meanReward(decisions: readonly Decision[]): number {
  return decisions.reduce((sum, { context, arm }) => sum + chance(context, arm), 0) / decisions.length;
}

const KINDS: Readonly<Record<string, (options?: object) => Bandit>> = {
  LinUCB: (options) => linUcb({ arms: ARMS, dimension: DIMENSION, ...options }),
  Thompson: (options) => thompsonSampling({ arms: ARMS, dimension: DIMENSION, ...options }),
};

for (const [name, made] of Object.entries(KINDS)) {
  t.test(`${name} learns who gets what`, async (t) => {
    const random = seededNumbers(name);
    const late = played(made(), random, 1_500).slice(-500);
    // Uniform choices get .338, the best for each .516; exploring a tenth costs .018.
    t.ok(meanReward(late) > 0.46, `${meanReward(late)}`);
  });

  t.test(`${name} says how likely its choices are`, async (t) => {
    const bandit = made();
    const random = seededNumbers(`likely ${name}`);
    played(bandit, random, 50);
    const context = [1, 1, 0];
    const propensities = bandit.propensities(context);
    t.ok(Math.abs(propensities.reduce((sum, each) => sum + each, 0) - 1) < 1e-12);
    t.ok(propensities.every((each) => each >= 0.1 / 3));
    const counts = ARMS.map(() => 0);
    for (let n = 0; n < 2_000; n++) {
      const { arm, propensity } = bandit.choose(context, random);
      const at = ARMS.indexOf(arm);
      counts[at] = (counts[at] ?? 0) + 1;
      if (propensity !== propensities[at]) t.fail("another propensity");
    }
    // Five standard deviations of each count: wrong by chance for one seed in 500 000.
    for (const [at, count] of counts.entries()) {
      const p = propensities[at] ?? 0;
      t.ok(Math.abs(count - 2_000 * p) <= 5 * Math.sqrt(2_000 * p * (1 - p)), `${ARMS[at]}: ${count} at ${p}`);
    }
  });

  t.test(`${name} starts better from what others have learned`, async (t) => {
    const random = seededNumbers(`prior ${name}`);
    const others = Array.from({ length: 40 }, () => played(made(), random, 60)).flat();
    const prior = Object.fromEntries(ARMS.map((arm) => [arm, armMoments(others, arm, DIMENSION)]));
    const early = (options: object): number => {
      const runs = Array.from({ length: 60 }, () => played(made(options), random, 30));
      return meanReward(runs.flat());
    };
    const [alone, together] = [early({}), early({ prior })];
    t.ok(together > alone + 0.02, `${alone} alone, ${together} with the prior`);
  });
}

t.test("the probability to be the largest agrees with what is drawn, and with what is known", async (t) => {
  t.same(
    largestOfNormals([
      { mean: 1, stdDev: 0 },
      { mean: 1, stdDev: 0 },
      { mean: 0, stdDev: 0 },
    ]),
    [0.5, 0.5, 0],
  );
  const [first = 0] = largestOfNormals([
    { mean: 1, stdDev: 1 },
    { mean: 0, stdDev: 1 },
  ]);
  t.ok(Math.abs(first - 0.760249938906523) < 1e-6, "Φ(1/√2)");
  const variables = [
    { mean: 0, stdDev: 1 },
    { mean: 0.5, stdDev: 0.2 },
    { mean: -1, stdDev: 2 },
  ];
  const exact = largestOfNormals(variables);
  const random = seededNumbers("normals");
  const wins = [0, 0, 0];
  for (let n = 0; n < 10_000; n++) {
    const drawn = variables.map(({ mean, stdDev }) => mean + stdDev * random.gaussian());
    const at = drawn.indexOf(Math.max(...drawn));
    wins[at] = (wins[at] ?? 0) + 1;
  }
  for (const [at, p] of exact.entries()) {
    t.ok(Math.abs((wins[at] ?? 0) / 10_000 - p) < 5 * Math.sqrt((p * (1 - p)) / 10_000), `${at}: ${p}`);
  }
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          mean: fc.double({ min: -9, max: 9, noNaN: true }),
          stdDev: fc.double({ min: 0, max: 9, noNaN: true }),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      (all) => {
        const parts = largestOfNormals(all);
        return parts.every((each) => each >= 0 && each <= 1) && Math.abs(parts.reduce((a, b) => a + b, 0) - 1) < 1e-9;
      },
    ),
    { seed: 4, numRuns: 60 },
  );
});

/** Favours the challenge, more so for keen people. */
const target: TargetPolicy = ([, , keen = 0], arm) => (arm === "challenge" ? 0.5 + 0.3 * keen : (0.5 - 0.3 * keen) / 2);
/** Expected reward of the target, over the four kinds of people. */
const truth = [0, 1]
  .flatMap((morning) =>
    [0, 1].map((keen) => {
      const context = [1, morning, keen];
      const share = 0.5 * (keen === 1 ? 0.3 : 0.7);
      return share * ARMS.reduce((sum, arm) => sum + target(context, arm) * chance(context, arm), 0);
    }),
  )
  .reduce((sum, each) => sum + each, 0);

t.test("off-policy estimates find what another policy would have got, within their own standard errors", async (t) => {
  const model = (context: readonly number[], arm: string): number => chance(context, arm) * 0.8;
  const estimators: Readonly<Record<string, (log: readonly Decision[]) => PolicyEstimate>> = {
    IPS: (log) => inversePropensity(log, target),
    SNIPS: (log) => selfNormalised(log, target),
    DR: (log) => doublyRobust(log, target, ARMS, model),
  };
  const runs = 120;
  const random = seededNumbers("off-policy");
  const logs = Array.from({ length: runs }, () =>
    played(linUcb({ arms: ARMS, dimension: DIMENSION, exploration: 0.3 }), random, 400),
  );
  for (const [name, estimate] of Object.entries(estimators)) {
    const estimates = logs.map(estimate);
    const covered = estimates.filter(({ value, stdError }) => Math.abs(value - truth) <= 1.96 * stdError).length;
    const errors = estimates.map(({ value }) => value - truth);
    const bias = errors.reduce((sum, each) => sum + each, 0) / runs;
    const scatter = Math.sqrt(errors.reduce((sum, each) => sum + each * each, 0)) / runs;
    t.ok(
      estimates.every(
        ({ effectiveSampleSize, decisions }) => effectiveSampleSize > 20 && effectiveSampleSize < decisions,
      ),
    );
    // 95 % of 120 are 114; below 101 or a mean off by five standard errors by chance for one seed in 10^5.
    t.ok(covered >= 101, `${name}: ${covered} of ${runs} intervals hold the truth`);
    t.ok(Math.abs(bias) < 5 * scatter, `${name}: off by ${bias}`);
  }
});

t.test("a good model makes the doubly robust estimate surer than weighting alone", async (t) => {
  const random = seededNumbers("surer");
  const log = played(linUcb({ arms: ARMS, dimension: DIMENSION, exploration: 0.3 }), random, 2_000);
  const dr = doublyRobust(log, target, ARMS, chance);
  t.ok(dr.stdError < inversePropensity(log, target).stdError);
  t.ok(Math.abs(dr.value - truth) < 5 * dr.stdError);
});

t.test("estimates refuse what they cannot weigh", async (t) => {
  const decision = { context: [1], arm: "a", propensity: 0.5, reward: 1 };
  const always: TargetPolicy = (_context, arm) => (arm === "a" ? 1 : 0);
  t.throws(() => inversePropensity([decision], always), { code: "BAD_OPTION" });
  t.throws(() => inversePropensity([decision, { ...decision, propensity: 0 }], always), { code: "BAD_OPTION" });
  t.throws(() => inversePropensity([decision, decision], () => 1.5), { code: "BAD_OPTION" });
  t.throws(() => selfNormalised([decision, decision], () => 0), { code: "BAD_OPTION" });
  t.equal(selfNormalised([decision, { ...decision, reward: 0 }], always).value, 0.5);
});

t.test("decisions are kept with their propensities, teach the next run's bandit, and can be erased", async (t) => {
  const store = memoryStore();
  const log = new DecisionLog(store, "welcome");
  const random = seededNumbers("log");
  const first = linUcb({ arms: ARMS, dimension: DIMENSION });
  const decisions = played(first, random, 40);
  await Promise.all(decisions.map((each) => log.add(each)));
  t.same(await log.all(), decisions);
  const second = linUcb({ arms: ARMS, dimension: DIMENSION });
  await new DecisionLog(store, "welcome").teach(second);
  t.same(second.propensities([1, 0, 1]), first.propensities([1, 0, 1]));
  await log.erase();
  t.same(await log.all(), []);
  await store.put("bandit/welcome", new TextEncoder().encode("{"));
  await t.rejects(log.all(), { code: "LOG_CORRUPT" });
  t.ok(DECISIONS_KEPT >= 100);
});

t.test("a bandit of another's making is used like the others", async (t) => {
  const uniform: Bandit = {
    arms: ARMS,
    propensities: () => ARMS.map(() => 1 / 3),
    choose: (_context, random) => draw(ARMS, [1 / 3, 1 / 3, 1 / 3], random),
    learn: () => {},
  };
  const log = played(uniform, seededNumbers("uniform"), 4_000);
  const { value, stdError } = inversePropensity(log, target);
  t.ok(Math.abs(value - truth) < 5 * stdError);
  const store = memoryStore();
  await new DecisionLog(store, "x").teach(uniform);
});

t.test("a prior that noise has made impossible does not make the bandit impossible", async (t) => {
  const prior = { short: { decisions: 10, gram: [-5, 1, 0, 1, 3, 0, 0, 0, -9], rewards: [1, -1, 0] } };
  for (const made of Object.values(KINDS)) {
    const propensities = made({ prior }).propensities([1, 1, 1]);
    t.ok(propensities.every((each) => Number.isFinite(each) && each > 0));
  }
});

t.test("options and calls that make no sense are refused", async (t) => {
  const bandit = linUcb({ arms: ARMS, dimension: DIMENSION });
  t.throws(() => linUcb({ arms: ["a"], dimension: 1 }), { code: "BAD_OPTION" });
  t.throws(() => linUcb({ arms: ["a", "a"], dimension: 1 }), { code: "BAD_OPTION" });
  t.throws(() => linUcb({ arms: ARMS, dimension: 0 }), { code: "BAD_OPTION" });
  t.throws(() => linUcb({ arms: ARMS, dimension: 1, exploration: 0 }), { code: "BAD_OPTION" });
  const prior = { short: { decisions: 1, gram: [1], rewards: [1] } };
  t.throws(() => linUcb({ arms: ARMS, dimension: 3, prior }), { code: "BAD_OPTION" });
  t.throws(() => bandit.propensities([1]), { code: "BAD_OPTION" });
  t.throws(() => bandit.learn([1, 0, 0], "other", 1), { code: "BAD_OPTION" });
  t.throws(() => bandit.learn([1, 0, 0], "short", 2), { code: "BAD_OPTION" });
  t.throws(() => bandit.learn([1, 0, Number.NaN], "short", 1), { code: "BAD_OPTION" });
});
