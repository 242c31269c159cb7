/** What plans with strategies that have a device's side of their own must say: both sides read the same plan. */
import { DEFAULT_FACTORS } from "../strategies/subspace-iteration.js";
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

/** What the devices multiply by has to be one random matrix at first, and what they send has norm 1. */
function* forSecondMoments({ strategy, model, privacy }: WrittenPlan): Generator<Contradiction> {
  if (strategy.id !== "subspace-iteration") {
    yield {
      path: ["strategy", "id"],
      message: `subspace-iteration with trainer second-moments, came ${strategy.id}`,
    };
    return;
  }
  const shapes = Object.values(model.tensors ?? {});
  const factors = Number(strategy.settings.factors ?? DEFAULT_FACTORS);
  if (shapes.length !== 1 || shapes[0]?.length !== 2 || shapes[0][1] !== factors) {
    const came = shapes.map((shape) => shape.join("×")).join(", ") || "none";
    yield {
      path: ["model", "tensors"],
      message: `with second-moments one tensor, items × the factors of the strategy's settings, ${factors}; came ${came}`,
    };
  }
  if (model.init === "zeros") {
    yield {
      path: ["model", "init"],
      message: "glorot-uniform with second-moments, whose updates of a model of zeros are zeros; came zeros",
    };
  }
  if (privacy.clipNorm !== undefined && privacy.clipNorm !== 1) {
    yield {
      path: ["privacy", "clipNorm"],
      message: `1 with second-moments, the norm of every update, came ${privacy.clipNorm}; leave it out`,
    };
  }
  if (privacy.adaptiveClipping !== undefined) {
    yield {
      path: ["privacy", "adaptiveClipping"],
      message: "a fixed clip with second-moments, whose updates are all of one norm",
    };
  }
}

/** Strategies with a device's side, and trainers with a server's side, of their own. */
export function* inPaired(plan: WrittenPlan): Generator<Contradiction> {
  const { strategy, trainer, model } = plan;
  if (trainer.id === "second-moments") yield* forSecondMoments(plan);
  if (strategy.id === "scaffold") {
    yield* modelTwice(model);
    yield* sameScale(strategy.settings, trainer.settings, "variateScale");
  }
  if (strategy.id === "q-fedavg") yield* sameScale(strategy.settings, trainer.settings, "curvatureScale");
}
