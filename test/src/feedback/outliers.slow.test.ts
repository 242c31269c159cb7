// Poisoned devices against all that stands in their way: the gate on the device, the clip, and means over groups without the extremes.
import { ClientError, logisticRegressionTrainer, type Trainer, type TrainingTask } from "@fedloop/client-runtime";
import { strategyFor } from "@fedloop/coordinator/simulation";
import { gatedTrainer, outlierGate, type RandomNumbers, seededNumbers } from "@fedloop/feedback";
import { clipL2 } from "@fedloop/privacy";
import t from "tap";

const DEVICES = 240;
const ROWS = 40;
const WIDTH = 5;
const ROUNDS = 12;
const GROUP = 4;
const CLIP = 1;
const WEIGHTS = [1.2, -0.8, 0.5, 0, 1];

type Role = "honest" | "broken" | "forger";
interface Device {
  readonly role: Role;
  readonly features: Float32Array;
  readonly labels: Uint8Array;
}

/** One in twenty has broken data and follows the rules; one in twenty follows none: it skips the gate, turns its update round and makes it thirty times as long. */
function roleOf(at: number): Role {
  return at % 20 === 0 ? "broken" : at % 20 === 10 ? "forger" : "honest";
}

function device(random: RandomNumbers, role: Role): Device {
  const own = 0.3 * random.gaussian();
  const features = new Float32Array(ROWS * WIDTH);
  const labels = new Uint8Array(ROWS);
  const pulled = random.below(WIDTH);
  for (let row = 0; row < ROWS; row++) {
    const values = WEIGHTS.map(() => own + random.gaussian());
    const logit = WEIGHTS.reduce((sum, weight, i) => sum + weight * (values[i] ?? 0), 0);
    const label = random.uniform() < 1 / (1 + Math.exp(-logit)) ? 1 : 0;
    labels[row] = role === "broken" ? 1 - label : label;
    if (role === "broken") values[pulled] = 20 * (values[pulled] ?? 0) + 10;
    features.set(values, row * WIDTH);
  }
  return { role, features, labels };
}

/** What the gate looks at: mean and spread of each number, and how often the answer is 1. */
function summary({ features, labels }: Device): number[] {
  const columns = WEIGHTS.map((_, column) => features.filter((_, at) => at % WIDTH === column));
  const moments = columns.flatMap((values) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / ROWS;
    return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / ROWS)];
  });
  return [...moments, labels.reduce((sum, label) => sum + label, 0) / ROWS];
}

function taskOf(parameters: Float32Array): TrainingTask {
  return {
    parameters,
    manifest: [],
    settings: { learningRate: "0.5", epochs: 3 },
    updateLength: parameters.length,
    state: { get: async () => undefined, put: async () => {} },
    signal: new AbortController().signal,
    onProgress: () => {},
  };
}

interface Defence {
  readonly gate: ReturnType<typeof outlierGate> | undefined;
  readonly clip: number;
  readonly strategy: Parameters<typeof strategyFor>[0];
}

/** Trains on what the devices send. @returns the share of answers of people who took no part that the model has right */
async function trained(
  devices: readonly Device[],
  fresh: readonly Device[],
  { gate, clip, strategy: chosen }: Defence,
) {
  const strategy = strategyFor(chosen);
  if (strategy.family !== "group-sum") throw new Error("expected a strategy over groups");
  const random = seededNumbers("groups");
  let parameters: Float32Array = new Float32Array(WIDTH + 1);
  let held = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    const updates: Float32Array[] = [];
    for (const each of devices) {
      const plain = logisticRegressionTrainer({ ...each, held: new Uint8Array(ROWS) });
      const isGated = gate !== undefined && each.role !== "forger";
      const trainer: Trainer = isGated ? gatedTrainer(plain, gate, async () => summary(each)) : plain;
      try {
        const { update } = await trainer.train(taskOf(parameters));
        if (each.role === "forger") update.set(update.map((value) => -30 * value));
        clipL2(update, clip);
        updates.push(update);
      } catch (cause) {
        if (!(cause instanceof ClientError && cause.code === "HELD")) throw cause;
        held += 1;
      }
    }
    random.shuffle(updates);
    const groups = Array.from({ length: Math.floor(updates.length / GROUP) }, (_, group) => {
      const mean = new Float32Array(parameters.length);
      for (const update of updates.slice(group * GROUP, (group + 1) * GROUP)) {
        mean.set(mean.map((sum, i) => sum + (update[i] ?? 0) / GROUP));
      }
      return mean;
    });
    const sum = await strategy.combine(groups);
    const result = {
      parameters,
      sum,
      divisor: 1,
      noiseStdDev: 0,
      step: round,
      steps: ROUNDS,
      state: new Float32Array(0),
    };
    parameters = strategy.apply(result).parameters;
  }
  let right = 0;
  for (const { features, labels } of fresh) {
    labels.forEach((label, row) => {
      const logit = WEIGHTS.reduce((sum, _, i) => sum + (parameters[i] ?? 0) * (features[row * WIDTH + i] ?? 0), 0);
      right += (logit + (parameters[WIDTH] ?? 0) > 0 ? 1 : 0) === label ? 1 : 0;
    });
  }
  return { accuracy: right / (fresh.length * ROWS), held: held / ROUNDS };
}

t.test(
  "a tenth of poisoned devices costs at most two points behind gate, clip and trimmed groups, and much more without",
  async (t) => {
    const random = seededNumbers("poisoned");
    const honest = (count: number): Device[] => Array.from({ length: count }, () => device(random, "honest"));
    const fresh = honest(400);
    const gate = outlierGate({ reference: honest(400).map(summary), seed: 1 });
    const clean = honest(DEVICES);
    const attacked = clean.map((each, at) => (roleOf(at) === "honest" ? each : device(random, roleOf(at))));
    const share = (role: Role): number => attacked.filter((each) => each.role === role).length;
    t.equal(share("broken") + share("forger"), DEVICES / 10);

    const trimmed = { id: "group-trimmed-mean", settings: { trimFraction: 0.3 } };
    const mean = { id: "group-trimmed-mean", settings: { trimFraction: 0.01 } };
    const without = await trained(clean, fresh, { gate: undefined, clip: 1e9, strategy: mean });
    const open = await trained(attacked, fresh, { gate: undefined, clip: 1e9, strategy: mean });
    const guarded = await trained(attacked, fresh, { gate, clip: CLIP, strategy: trimmed });
    t.comment(
      `clean ${without.accuracy}, open to attack ${open.accuracy}, guarded ${guarded.accuracy}, held ${guarded.held}`,
    );
    t.ok(guarded.accuracy >= without.accuracy - 0.02, `${guarded.accuracy} instead of ${without.accuracy}`);
    t.ok(open.accuracy < without.accuracy - 0.05, `without a defence ${open.accuracy}`);
    const broken = attacked.filter(({ role }) => role === "broken");
    t.ok(
      broken.filter((each) => gate.check(summary(each)).flagged).length >= 0.9 * broken.length,
      "nine in ten are found",
    );
    t.ok(guarded.held <= broken.length + 0.05 * DEVICES, "at one in twenty others");
  },
);
