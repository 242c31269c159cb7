import { type AccountantName, epsilonOf, type NeighbouringRelation, noiseMultiplierFor } from "@fedloop/privacy";
import { readEventJson } from "./event-input.js";
import { noiseTemplate } from "./noise-template.js";
import type { Surroundings } from "./surroundings.js";

export interface CalibrateOptions {
  readonly epsilon: number;
  readonly delta: number;
  /** A file with an event whose noise is free, or "-". */
  readonly event: string;
  readonly accountant: AccountantName;
  readonly relation?: NeighbouringRelation | undefined;
  readonly json: boolean;
}

/**
 * Finds the smallest noise multiplier with which an event stays within ε at δ, and prints it with the event filled in.
 *
 * @throws PrivacyError TARGET_UNREACHABLE and others; CoordinatorError FILE_UNREADABLE, BAD_DATA
 */
export async function printCalibration(options: CalibrateOptions, surroundings: Surroundings): Promise<void> {
  const { epsilon: target, delta, accountant, relation } = options;
  const template = noiseTemplate(await readEventJson(options.event, surroundings));
  const noiseMultiplier = noiseMultiplierFor({
    epsilon: target,
    delta,
    accountant,
    event: template.eventAt,
    ...(relation === undefined ? {} : { relation }),
  });
  const event = template.eventAt(noiseMultiplier);
  const { epsilon } = epsilonOf(event, delta, accountant, relation);
  surroundings.print(
    options.json
      ? `${JSON.stringify({ noiseMultiplier, epsilon, delta, accountant, event })}\n`
      : `noise multiplier ${noiseMultiplier}: ε = ${epsilon} at δ = ${delta} (${accountant})\n${JSON.stringify(event)}\n`,
  );
}
