export { condition, LOGIC_OPERATORS, type Logic } from "./condition.js";
export { TriggerEngine, type TriggerEngineOptions } from "./engine.js";
export { logisticPropensity, type PropensityModel, type Stump, stumpPropensity } from "./propensity.js";
export { openRules, parseRules, type Rule, type RulePattern, ruleTrigger } from "./rules.js";
export { TriggerRunner, type TriggerRunnerOptions } from "./runner.js";
export { type ScoreTriggerOptions, scoreTrigger } from "./score-trigger.js";
export type { Firing, Signal, Step, Surroundings, Trigger, TriggerState } from "./trigger.js";
