/** What plans with strategies that have a device's side of their own must say: both sides read the same plan. */
import type { Contradiction } from "./contradictions.js";
import type { WrittenPlan } from "./schema.js";

type Settings = WrittenPlan["trainer"]["settings"];

/** A scale that the device multiplies by and the server divides by. */
function* sameScale(strategy: Settings, trainer: Settings, name: string): Generator<Contradiction> {
  const [server, device] = [strategy[name] ?? 1, trainer[name] ?? 1];
  if (Number(server) === Number(device)) return;
  yield {
    path: ["strategy", "settings", name],
    message: `the number that trainer.settings.${name} has, by which devices multiply what the server divides by it, came ${server} and ${device}`,
  };
}

/** [x | c]: whoever reads the model has to find the control variate behind it. */
function* modelTwice({ tensors }: WrittenPlan["model"]): Generator<Contradiction> {
  const shapes = Object.values(tensors ?? {}).map((shape) => shape.join("×"));
  const half = shapes.length / 2;
  const isTwice = half > 0 && Number.isInteger(half) && shapes.slice(0, half).join() === shapes.slice(half).join();
  if (isTwice) return;
  yield {
    path: ["model", "tensors"],
    message: `with scaffold the model's tensors and then, under other names, as many of the same shapes for its control variate, came ${shapes.join(", ") || "none"}`,
  };
}

/** SCAFFOLD and q-FedAvg. */
export function* inPaired({ strategy, trainer, model }: WrittenPlan): Generator<Contradiction> {
  if (strategy.id === "scaffold") {
    yield* modelTwice(model);
    yield* sameScale(strategy.settings, trainer.settings, "variateScale");
  }
  if (strategy.id === "q-fedavg") yield* sameScale(strategy.settings, trainer.settings, "curvatureScale");
}
