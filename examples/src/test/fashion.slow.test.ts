/** The example with Fashion-MNIST as it stands. */
import t from "tap";
import { fashion, withoutFashion } from "./fashion.js";

t.setTimeout(600_000);

t.test("a thousand devices with few kinds of clothes each tell all ten apart", { skip: withoutFashion }, async (t) => {
  // Masks cancel out, as the coordinator's tests of simulations show bit for bit; four thousand trainings are long enough without.
  const { accuracy, trainings } = await fashion((plan) => plan.replace("  seed: 1\n", "  seed: 1\n  masks: none\n"), 2);
  t.ok((accuracy ?? 0) > 0.8, `accuracy ${accuracy}`);
  t.ok(trainings > 40 * 80);
});
