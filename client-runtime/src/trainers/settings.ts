import { ClientError } from "../errors.js";
import type { TrainerSettings } from "./trainer.js";

/**
 * A real setting: a number, or a decimal string as log entries have them.
 *
 * @throws ClientError GUARD_UNSUPPORTED when it is there and no finite number
 */
export function realSetting(settings: TrainerSettings, name: string, otherwise: number): number {
  const value = settings[name];
  if (value === undefined) return otherwise;
  const real = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof real === "number" && Number.isFinite(real)) return real;
  throw new ClientError("GUARD_UNSUPPORTED", `expected trainer setting ${name} to be a number, came ${typeof value}`);
}

/** @throws ClientError GUARD_UNSUPPORTED when it is there and not an integer from `least` on */
export function integerSetting(settings: TrainerSettings, name: string, otherwise: number, least: number): number {
  const value = realSetting(settings, name, otherwise);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new ClientError(
    "GUARD_UNSUPPORTED",
    `expected trainer setting ${name} to be an integer from ${least}, came ${value}`,
  );
}

/** @throws ClientError GUARD_UNSUPPORTED when it is there and none of `choices` */
export function choiceSetting<Choice extends string>(
  settings: TrainerSettings,
  name: string,
  choices: readonly Choice[],
  otherwise: Choice,
): Choice {
  const value = settings[name] ?? otherwise;
  const choice = choices.find((candidate) => candidate === value);
  if (choice !== undefined) return choice;
  throw new ClientError("GUARD_UNSUPPORTED", `expected trainer setting ${name} to be one of ${choices.join(", ")}`);
}
