// Federations on unequal data of which every tenth device is poisoned: what each strategy withstands. One seed for all; the margins
// are several times what another seed changes.
import t from "tap";
import { STRATEGY_IDS } from "../../src/strategies/registry.js";
import type { PlanChanges } from "../server/plans.js";
import { simulated, virtualSection } from "./virtual-plan.js";

t.setTimeout(600_000);

const ROUNDS = 12;

function strategy(id: string, settings: Readonly<Record<string, number>> = {}) {
  return { rounds: ROUNDS, strategy: { id, settings } };
}

type Chosen = PlanChanges & { readonly strategy: { readonly id: string } };

/** Groups of four without noise: of ten of them about a third has a poisoned member. */
const GROUPS: PlanChanges = {
  secureAggregation: { enabled: true, groupTarget: 4, dropoutFraction: 0 },
  privacy: { mechanism: "none", reason: "the test looks at robustness", clipNorm: 100, bits: 28 },
};

/** What each keeps under attack, as a share of right answers; one in five is right by chance. */
const ROBUST: readonly (readonly [Chosen, number])[] = [
  [strategy("coordinate-median"), 0.85],
  [strategy("trimmed-mean", { trimFraction: 0.2 }), 0.87],
  // One device's update, of few classes: from round to round, and from seed to seed, 0.77 to 0.94, attacked or not.
  [strategy("krum", { poisonedFraction: 0.2 }), 0.65],
  [strategy("multi-krum", { poisonedFraction: 0.2 }), 0.87],
  [strategy("norm-bounding"), 0.87],
  [{ ...strategy("group-median"), ...GROUPS }, 0.85],
  [{ ...strategy("group-trimmed-mean", { trimFraction: 0.3 }), ...GROUPS }, 0.85],
];

const nameOf = ({ strategy: chosen }: Chosen): string => JSON.stringify(chosen);

for (const attack of ["sign-flip", "scaled"]) {
  t.test(`a tenth of ${attack} updates moves no strategy far that is robust`, async (t) => {
    const poisoned = virtualSection({ masks: "none", poisoned: { fraction: 0.1, attack, scale: 10 } });
    for (const [plan, least] of ROBUST) {
      const { accuracy, poisonedDevices } = await simulated(t, { ...plan, ...poisoned });
      t.equal(poisonedDevices, 20);
      t.ok((accuracy ?? 0) > least, `${nameOf(plan)} keeps ${accuracy}`);
    }
  });
}

t.test("a tenth of mirrored labels alone moves nobody far, and robust strategies no further", async (t) => {
  const poisoned = virtualSection({ masks: "none", poisoned: { fraction: 0.1, attack: "label-flip" } });
  t.ok(((await simulated(t, { ...strategy("fedavg"), ...poisoned })).accuracy ?? 0) > 0.85);
  for (const [plan, least] of ROBUST) {
    const { accuracy } = await simulated(t, { ...plan, ...poisoned });
    t.ok((accuracy ?? 0) > least, `${nameOf(plan)} keeps ${accuracy}`);
  }
});

/** Every strategy that needs only sums, SCAFFOLD and q-FedAvg with the part that devices have in them. */
const SUMS: readonly Chosen[] = [
  strategy("fedavg"),
  strategy("fedavgm", { learningRate: 0.3 }),
  strategy("fedadam", { learningRate: 0.1 }),
  strategy("fedyogi", { learningRate: 0.1 }),
  strategy("fedadagrad", { learningRate: 0.3 }),
  {
    ...strategy("scaffold", { devices: 200 }),
    model: { tensors: { kernel: [10, 5], bias: [5], "variate.kernel": [10, 5], "variate.bias": [5] } },
  },
  {
    ...strategy("q-fedavg", { curvatureScale: 0.1 }),
    trainer: { id: "clouds", settings: { learningRate: 0.5, epochs: 2, batchSize: 10, curvatureScale: 0.1 } },
  },
  { ...strategy("fedbuff", { maximumStaleness: 5 }), cohort: { target: 30, minimum: 20, overSelection: 1.3 } },
];

/** Updates as long as they mostly are, masked; in one group, so that those who are late for a buffer cost nobody else's update. */
const CLIPPED: PlanChanges = {
  secureAggregation: { enabled: true, groupTarget: 40 },
  privacy: { mechanism: "none", reason: "the test looks at robustness", clipNorm: 1, bits: 28 },
};

t.test(
  "each sum strategy learns, is lost to a tenth of long flipped updates, and not once they are clipped",
  async (t) => {
    const poisoned = { fraction: 0.1, attack: "sign-flip", scale: 10 };
    for (const plan of SUMS) {
      // For FedBuff a third is slow: what it hands in late counts too.
      const slow =
        plan.strategy.id === "fedbuff" ? { stragglers: { fraction: 0.3, slowdown: 20 }, trainingTime: "1s" } : {};
      const reached = async (changes: PlanChanges): Promise<number> =>
        (await simulated(t, { ...plan, ...changes })).accuracy ?? Number.NaN;
      const clean = await reached(virtualSection(slow));
      const lost = await reached(virtualSection({ ...slow, poisoned }));
      const kept = await reached({ ...virtualSection({ ...slow, masks: "none", poisoned }), ...CLIPPED });
      t.ok(clean > 0.88, `${nameOf(plan)} reaches ${clean}`);
      t.ok(lost < 0.8, `${nameOf(plan)} is left with ${lost}`);
      t.ok(kept > 0.85, `${nameOf(plan)} keeps ${kept} of clipped updates`);
    }
  },
);

t.test("every strategy that is not for one kind of model is tried here", async (t) => {
  t.same(
    new Set([...SUMS, ...ROBUST.map(([plan]) => plan)].map((plan) => plan.strategy?.id)),
    // The two Newton strategies and that of films' directions are for models that these devices have not.
    new Set(
      Object.values(STRATEGY_IDS)
        .flat()
        .filter((id) => !id.endsWith("-newton") && id !== "subspace-iteration"),
    ),
  );
});
