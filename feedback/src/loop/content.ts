// Which template a person gets when a trigger has fired, and who is told what came of it.
import type { Bandit } from "../bandit/bandit.js";
import type { DecisionLog } from "../bandit/decision-log.js";
import type { MessageResponse } from "../delivery/surface.js";
import { FeedbackError } from "../errors.js";
import type { Experiments } from "../experiments/assignment.js";
import type { OutcomeLog } from "../experiments/outcomes.js";
import type { RandomNumbers } from "../random/numbers.js";

/** A choice that was made. */
export interface ChosenContent {
  readonly template: string;
  /** Told when the message is shown. */
  shown?(): Promise<void>;
  /** Told what the person did with it. */
  answered?(response: MessageResponse): Promise<void>;
}

/** Chooses. Apps bring their own kinds. */
export interface ContentChoice {
  /** @returns undefined where this person is to see nothing */
  choose(): ChosenContent | undefined;
}

/** The same for all. */
export function fixedContent(template: string): ContentChoice {
  return { choose: () => ({ template }) };
}

/** How an experiment chooses. */
export interface ExperimentContentOptions {
  readonly experiments: Experiments;
  readonly outcomes: OutcomeLog;
  readonly experiment: string;
  /** The template of each arm; null for an arm that sees nothing. */
  readonly templates: Readonly<Record<string, string | null>>;
  /** For devices in no arm; null, the default, for nothing. */
  readonly otherwise?: string | null;
  /** Outcomes, as the experiment declares them, that are noted when the message is shown or opened. */
  readonly shown?: string;
  readonly opened?: string;
}

/** The template of this device's arm. @throws FeedbackError BAD_EXPERIMENT where an arm has none */
export function experimentContent(options: ExperimentContentOptions): ContentChoice {
  const { experiments, outcomes, experiment, templates, otherwise = null, shown, opened } = options;
  for (const { name } of experiments.experiment(experiment).arms) {
    if (!Object.hasOwn(templates, name)) {
      throw new FeedbackError("BAD_EXPERIMENT", `${experiment}: expected a template, or null, for the arm "${name}"`);
    }
  }
  return {
    choose() {
      const assignment = experiments.assign(experiment);
      const template = assignment.type === "arm" ? (templates[assignment.arm] ?? null) : otherwise;
      if (template === null) return undefined;
      return {
        template,
        async shown() {
          if (shown !== undefined) await outcomes.note(experiment, shown);
        },
        async answered(response) {
          if (response === "opened" && opened !== undefined) await outcomes.note(experiment, opened);
        },
      };
    },
  };
}

/** How a bandit chooses. */
export interface BanditContentOptions {
  readonly bandit: Bandit;
  readonly log: DecisionLog;
  readonly random: RandomNumbers;
  /** What is known of the person now: the bandit's dimension. */
  readonly context: () => readonly number[];
  /** The template of each arm. */
  readonly templates: Readonly<Record<string, string>>;
}

/** The template that a local bandit draws; it learns from whether it is opened. @throws FeedbackError BAD_OPTION where an arm has none */
export function banditContent({ bandit, log, random, context, templates }: BanditContentOptions): ContentChoice {
  const silent = bandit.arms.find((arm) => !Object.hasOwn(templates, arm));
  if (silent !== undefined) throw new FeedbackError("BAD_OPTION", `expected a template for the arm "${silent}"`);
  return {
    choose() {
      const now = context();
      const { arm, propensity } = bandit.choose(now, random);
      return {
        template: templates[arm] ?? "",
        async answered(response) {
          const reward = response === "opened" ? 1 : 0;
          bandit.learn(now, arm, reward);
          await log.add({ context: now, arm, propensity, reward });
        },
      };
    },
  };
}
