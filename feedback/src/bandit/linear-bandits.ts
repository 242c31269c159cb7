import { FeedbackError } from "../errors.js";
import type { RandomNumbers } from "../random/numbers.js";
import { type Bandit, type BanditChoice, type BanditPrior, draw } from "./bandit.js";
import { largestOfNormals } from "./largest-of-normals.js";
import { LinearArm } from "./linear-arm.js";

/** What linear bandits are made with. */
export interface LinearBanditOptions {
  readonly arms: readonly string[];
  /** Numbers in a context. Contexts best have a norm of about 1, and a constant among them. */
  readonly dimension: number;
  /** Sums of many devices; without it everything is learned here. */
  readonly prior?: BanditPrior;
  /** As how many decisions for each arm the prior counts at most; 50 unless given. */
  readonly priorDecisions?: number;
  /** λ of the regression; 1 unless given. */
  readonly ridge?: number;
  /** Part of the choices that is uniform, so that every arm can be learned about; 0.1 unless given. */
  readonly exploration?: number;
  /** Weight of what is not known: α of LinUCB, v of Thompson sampling; 0.5 unless given. */
  readonly uncertainty?: number;
}

abstract class LinearBandit implements Bandit {
  readonly arms: readonly string[];
  readonly #dimension: number;
  readonly #models: readonly LinearArm[];
  readonly #exploration: number;
  protected readonly uncertainty: number;

  constructor(options: LinearBanditOptions) {
    const {
      arms,
      dimension,
      prior = {},
      priorDecisions = 50,
      ridge = 1,
      exploration = 0.1,
      uncertainty = 0.5,
    } = options;
    if (arms.length < 2 || new Set(arms).size < arms.length) {
      throw new FeedbackError("BAD_OPTION", "expected at least two arms of different names");
    }
    if (!(Number.isSafeInteger(dimension) && dimension >= 1 && dimension <= 256)) {
      throw new FeedbackError("BAD_OPTION", `expected a dimension from 1 to 256, came ${dimension}`);
    }
    if (!(exploration > 0 && exploration <= 1 && ridge > 0 && uncertainty >= 0 && priorDecisions >= 0)) {
      throw new FeedbackError(
        "BAD_OPTION",
        "expected an exploration above 0 up to 1, a ridge above 0, other weights not below 0",
      );
    }
    for (const [arm, { gram, rewards }] of Object.entries(prior)) {
      if (gram.length === dimension ** 2 && rewards.length === dimension) continue;
      throw new FeedbackError("BAD_OPTION", `expected a prior of ${dimension} numbers for the arm "${arm}"`);
    }
    this.arms = arms;
    this.#dimension = dimension;
    this.#exploration = exploration;
    this.uncertainty = uncertainty;
    this.#models = arms.map((arm) => new LinearArm(dimension, ridge, prior[arm], priorDecisions));
  }

  propensities(context: readonly number[]): readonly number[] {
    this.#check(context);
    const own = this.greedy(this.#models.map((model) => model.at(context)));
    return own.map((each) => this.#exploration / this.arms.length + (1 - this.#exploration) * each);
  }

  choose(context: readonly number[], random: RandomNumbers): BanditChoice {
    return draw(this.arms, this.propensities(context), random);
  }

  learn(context: readonly number[], arm: string, reward: number): void {
    this.#check(context);
    const model = this.#models[this.arms.indexOf(arm)];
    if (model === undefined || !(reward >= 0 && reward <= 1)) {
      throw new FeedbackError(
        "BAD_OPTION",
        `expected one of the bandit's arms and a reward from 0 to 1, came "${arm}"`,
      );
    }
    model.learn(context, reward);
  }

  /** The policy without its uniform part. */
  protected abstract greedy(arms: readonly { readonly mean: number; readonly variance: number }[]): readonly number[];

  #check(context: readonly number[]): void {
    if (context.length === this.#dimension && context.every(Number.isFinite)) return;
    throw new FeedbackError(
      "BAD_OPTION",
      `expected a context of ${this.#dimension} finite numbers, came ${context.length}`,
    );
  }
}

class LinUcb extends LinearBandit {
  protected override greedy(arms: readonly { readonly mean: number; readonly variance: number }[]): readonly number[] {
    const bounds = arms.map(({ mean, variance }) => mean + this.uncertainty * Math.sqrt(variance));
    const best = bounds.indexOf(Math.max(...bounds));
    return bounds.map((_, at) => (at === best ? 1 : 0));
  }
}

class Thompson extends LinearBandit {
  protected override greedy(arms: readonly { readonly mean: number; readonly variance: number }[]): readonly number[] {
    return largestOfNormals(
      arms.map(({ mean, variance }) => ({ mean, stdDev: this.uncertainty * Math.sqrt(variance) })),
    );
  }
}

/** LinUCB with disjoint models (Li, Chu, Langford, Schapire, A contextual-bandit approach, 2010, Algorithm 1), and a uniform part. @throws FeedbackError BAD_OPTION */
export function linUcb(options: LinearBanditOptions): Bandit {
  return new LinUcb(options);
}

/**
 * Thompson sampling with linear payoffs (Agrawal, Goyal, 2013), and a uniform part. The arms' scores are normal at a context, so the
 * probability of each to be the largest is worked out, not estimated: what is logged is exact.
 *
 * @throws FeedbackError BAD_OPTION
 */
export function thompsonSampling(options: LinearBanditOptions): Bandit {
  return new Thompson(options);
}
