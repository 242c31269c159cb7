/** The example with Fashion-MNIST, a few rounds of it. */
import t from "tap";
import { fashion, withoutFashion } from "./fashion.js";

t.setTimeout(240_000);

t.test(
  "a few small cohorts of a thousand devices learn something about clothes",
  { skip: withoutFashion },
  async (t) => {
    const few = (plan: string): string =>
      plan.replace("rounds: 40", "rounds: 4").replace("target: 100, minimum: 80", "target: 20, minimum: 10");
    const { devices, rounds, accuracy } = await fashion(few, 2);
    t.equal(devices, 1_000);
    t.equal(rounds.length, 4);
    t.ok((accuracy ?? 0) > 0.3, `accuracy ${accuracy}; one in ten is right by chance`);
  },
);
