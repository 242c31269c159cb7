import fc from "fast-check";
import t from "tap";
import type { GraphPolicy } from "../../src/secagg/graph/policy.js";
import { finished, plainSum, RoundAbandoned, TestRound, testParameters } from "./test-round.js";

/** After which step each device is gone; 5 stays to the end. */
async function runWithDropouts(
  lastSteps: readonly number[],
  seed: number,
  change: Parameters<typeof testParameters>[0],
): Promise<{ readonly sum: readonly number[]; readonly expected: readonly number[] }> {
  const parameters = testParameters({ length: 11, ...change });
  const round = await TestRound.start(lastSteps.length, { seed, parameters });
  const goneBefore = (step: number): Set<number> =>
    new Set([...lastSteps.keys()].filter((member) => (lastSteps[member] ?? 0) < step));
  const vectors = await round.deal(goneBefore(2));
  const confirmations = await round.mask(vectors, goneBefore(3));
  const { survivors } = confirmations.message;
  const unmask = await round.confirm(confirmations, goneBefore(4));
  await round.reveal(unmask, goneBefore(5));
  const { sum } = await finished(unmask);
  return { sum: [...sum], expected: plainSum(survivors.map((member) => round.device(member))) };
}

/** Steps after which `dropouts` of `count` devices are gone, in any mixture. */
function mixtures(count: number, most: number): fc.Arbitrary<number[]> {
  return fc
    .tuple(
      fc.shuffledSubarray([...Array(count).keys()], { maxLength: most }),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: most, maxLength: most }),
    )
    .map(([leavers, steps]) => {
      const lastSteps = new Array<number>(count).fill(5);
      leavers.forEach((leaver, i) => {
        lastSteps[leaver] = steps[i] ?? 1;
      });
      return lastSteps;
    });
}

t.test(
  "complete graph: whoever drops out when, up to the tolerance, the sum is the survivors' integer sum",
  async (t) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 12 }).chain((count) => mixtures(count, Math.ceil(count / 3) - 1)),
        fc.integer(),
        fc.constantFrom(1, 8, 18, 20, 29, 32),
        async (lastSteps, seed, bits) => {
          const valueBound = Math.min(1000, 2 ** (bits - 1) - 1);
          const { sum, expected } = await runWithDropouts(lastSteps, seed, {
            bits,
            valueBound,
            overflow: "improbable",
          });
          const modulus = 2 ** bits;
          const wrap = (value: number): number => ((value % modulus) + modulus) % modulus;
          return sum.every((value, i) => wrap(value) === wrap(expected[i] ?? 0));
        },
      ),
      { seed: 30_301, numRuns: 60 },
    );
    t.pass("60 rounds");
  },
);

t.test("complete graph: up to the tolerance nothing wraps, and the sum is exact as signed integers", async (t) => {
  await fc.assert(
    fc.asyncProperty(mixtures(7, 2), fc.integer(), async (lastSteps, seed) => {
      const { sum, expected } = await runWithDropouts(lastSteps, seed, {});
      t.strictSame(sum, expected);
    }),
    { seed: 30_302, numRuns: 20 },
  );
});

t.test(
  "Harary graph: whoever drops out when, up to the tolerance, the sum is the survivors' integer sum",
  async (t) => {
    const graph: GraphPolicy = {
      type: "harary",
      corruptFraction: 0.05,
      dropoutFraction: 0.1,
      adversary: "semi-honest",
    };
    await fc.assert(
      fc.asyncProperty(mixtures(40, 4), fc.integer(), async (lastSteps, seed) => {
        const { sum, expected } = await runWithDropouts(lastSteps, seed, { graph });
        t.strictSame(sum, expected);
      }),
      { seed: 30_303, numRuns: 12 },
    );
  },
);

t.test("beyond the tolerance the round is abandoned with the reason, and there is no sum", async (t) => {
  const cases: readonly [readonly number[], string][] = [
    [[1, 1, 1, 5, 5, 5, 5], "TOO_FEW_SHARERS"],
    [[2, 2, 2, 5, 5, 5, 5], "TOO_FEW_SURVIVORS"],
    [[3, 3, 3, 5, 5, 5, 5], "TOO_FEW_SIGNATURES"],
    [[4, 4, 4, 5, 5, 5, 5], "TOO_FEW_UNMASK_SHARES"],
    [[1, 2, 4, 5, 5, 5, 5], "TOO_FEW_UNMASK_SHARES"],
  ];
  for (const [lastSteps, reason] of cases) {
    const outcome = await runWithDropouts(lastSteps, 5, {}).catch((error: unknown) => error);
    t.ok(outcome instanceof RoundAbandoned);
    t.equal(outcome instanceof RoundAbandoned && outcome.outcome.reason, reason);
  }
  await t.rejects(TestRound.start(2), /TOO_FEW_MEMBERS/);
  const graph: GraphPolicy = { type: "harary", corruptFraction: 0.45, dropoutFraction: 0.45, adversary: "semi-honest" };
  await t.rejects(TestRound.start(10, { parameters: testParameters({ graph }) }), /INFEASIBLE_GRAPH/);
});
