// Which explanation "Show me how" gives: a bandit on this device learns after which of them this person's next answer is right.
import type { DeviceStore } from "@fedloop/client-runtime";
import { DecisionLog, type RandomNumbers, thompsonSampling } from "@fedloop/feedback";

export const EXPLANATIONS: Readonly<Record<string, string>> = {
  cake: "Cut two cakes: 3 pieces of 4 leave a quarter, 2 pieces of 3 leave a third. Which leaves less?",
  line: "Walk along a line from 0 to 1: 2/3 is at 0.67, 3/4 is at 0.75.",
  twelfths: "Make the parts equal: 2/3 is 8/12, 3/4 is 9/12.",
};
const [FIRST = ""] = Object.values(EXPLANATIONS);

export interface HintsOptions {
  readonly store: DeviceStore;
  readonly random: RandomNumbers;
  /** Whether the person lets the device learn; else everybody gets the first explanation and nothing is kept. */
  readonly isAllowed: () => boolean;
}

/** What was shown, until it is known whether it helped. */
interface Shown {
  readonly context: readonly number[];
  readonly arm: string;
  readonly propensity: number;
}

export class Hints {
  readonly #options: HintsOptions;
  readonly #log: DecisionLog;
  #bandit = freshBandit();
  #shown: Shown | undefined;

  private constructor(options: HintsOptions) {
    this.#options = options;
    this.#log = new DecisionLog(options.store, "hints");
  }

  /** Goes on with what was learned before. */
  static async open(options: HintsOptions): Promise<Hints> {
    const hints = new Hints(options);
    await hints.#log.teach(hints.#bandit);
    return hints;
  }

  /** @param shareRight of the person's answers so far, 0 to 1 */
  explain(shareRight: number): string {
    if (!this.#options.isAllowed()) return FIRST;
    const context = [1, shareRight];
    const { arm, propensity } = this.#bandit.choose(context, this.#options.random);
    this.#shown = { context, arm, propensity };
    return EXPLANATIONS[arm] ?? FIRST;
  }

  /** The answer after an explanation. */
  async answered(isRight: boolean): Promise<void> {
    const shown = this.#shown;
    this.#shown = undefined;
    if (shown === undefined || !this.#options.isAllowed()) return;
    const reward = isRight ? 1 : 0;
    this.#bandit.learn(shown.context, shown.arm, reward);
    await this.#log.add({ ...shown, reward });
  }

  /** Forgets what was learned. */
  async erase(): Promise<void> {
    this.#shown = undefined;
    this.#bandit = freshBandit();
    await this.#log.erase();
  }
}

function freshBandit() {
  return thompsonSampling({ arms: Object.keys(EXPLANATIONS), dimension: 2 });
}
