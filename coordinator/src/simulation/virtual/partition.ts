import type { WrittenSimulation } from "../../plan/simulation-schema.js";
import { SeededRandom } from "../seeded-random.js";
import type { LabelledData } from "./dataset.js";

/** Whose examples are whose: device d has rows[starts[d]] to rows[starts[d + 1] − 1]. */
export interface Partition {
  readonly starts: Uint32Array;
  readonly rows: Uint32Array;
}

/**
 * Deals all examples out in equal numbers. `iid`: at random. `dirichlet`: each device has a mixture of classes of its own, drawn from
 * Dirichlet(α·k·p) with p the shares of the k classes: α for each where they are equally many (Hsu, Qi and Brown 2019, section
 * 3.1, whose α is k times this one). The smaller α, the fewer classes a device knows. A class that is used up is taken out of the mixtures that come later.
 */
export function partitionOf(
  { labels, classes }: Pick<LabelledData, "labels" | "classes">,
  { devices, seed, partition }: Pick<WrittenSimulation, "devices" | "seed" | "partition">,
): Partition {
  const random = new SeededRandom(seed, ["partition"]);
  const count = labels.length;
  const starts = Uint32Array.from({ length: devices + 1 }, (_, device) => Math.floor((count * device) / devices));
  const order = random.permutation(count);
  if (partition.type === "iid") return { starts, rows: order };
  const pools = Array.from({ length: classes }, (): number[] => []);
  for (const row of order) pools[labels[row] ?? 0]?.push(row);
  const shares = pools.map((pool) => pool.length / count);
  const rows = new Uint32Array(count);
  // In an order of its own, lest the leftovers of used-up classes all fall to the highest numbers.
  for (const device of random.permutation(devices)) {
    const mixture = shares.map((share) => random.gamma(Math.max(partition.alpha * classes * share, 1e-6)));
    for (let at = starts[device] ?? 0; at < (starts[device + 1] ?? 0); at++) {
      rows[at] = pools[chosen(mixture, pools, random)]?.pop() ?? 0;
    }
  }
  return { starts, rows };
}

/** A class by its weight, among those of which there are examples left. */
function chosen(mixture: readonly number[], pools: readonly (readonly number[])[], random: SeededRandom): number {
  const weights = mixture.map((weight, label) => ((pools[label]?.length ?? 0) > 0 ? weight : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // All that the device knows is used up: it takes of what there is most.
  if (!(total > 0))
    return pools.reduce((best, pool, label) => (pool.length > (pools[best]?.length ?? 0) ? label : best), 0);
  let draw = random.uniform() * total;
  for (const [label, weight] of weights.entries()) {
    draw -= weight;
    if (draw < 0 && weight > 0) return label;
  }
  return weights.findLastIndex((weight) => weight > 0);
}
