/** The example with Fashion-MNIST as it stands. */
import t from "tap";
import { fashion, withoutFashion } from "./fashion.js";

t.setTimeout(600_000);

t.test("a thousand devices with few kinds of clothes each tell all ten apart", { skip: withoutFashion }, async (t) => {
  const { accuracy, trainings } = await fashion((plan) => plan, 2);
  t.ok((accuracy ?? 0) > 0.8, `accuracy ${accuracy}`);
  t.ok(trainings > 40 * 80);
});
