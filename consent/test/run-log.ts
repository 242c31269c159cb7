// Rounds of one run with correlated noise, as DP-FTRL has them.
import type { BltMatrixFactorizationEvent, DpEvent } from "@fedloop/privacy";
import { encodeEvent, type NoiseRun, type RoundPlan } from "../src/index.js";
import { LogAuthor, policyBody, type TestDevice } from "./author.js";
import { RoundAuthor } from "./complete-log.js";

/** Four steps; each participant in two of them at most, two steps apart. */
export const runEvent: BltMatrixFactorizationEvent = {
  type: "BltMatrixFactorization",
  noiseMultiplier: 20,
  bufferDecay: [0.9, 0.5],
  outputScale: [0.2, 0.3],
  steps: 4,
  minSeparation: 2,
  maxParticipations: 2,
};

/** A plan as a step of a run. */
export function runPlan(plan: RoundPlan, run: NoiseRun, event: DpEvent = runEvent): RoundPlan {
  const noise = { mechanism: "dp-ftrl", noiseAt: "coordinator", noiseMultiplier: "20" } as const;
  const privacy = { ...plan.privacy, ...noise, adjacency: "replace-special", event: encodeEvent(event), run } as const;
  return { ...plan, privacy };
}

/** Writes the steps of a run, each with its own participants. */
export class RunAuthor {
  readonly rounds: RoundAuthor;
  #first: string | null = null;
  #step = 0;

  private constructor(rounds: RoundAuthor) {
    this.rounds = rounds;
  }

  static async start(devices: readonly TestDevice[]): Promise<RunAuthor> {
    const author = new LogAuthor();
    await author.write({ type: "policy.publish", body: policyBody({ adjacency: "replace-special" }) });
    for (const device of devices) await author.consent(device, "given");
    return new RunAuthor(new RoundAuthor(author));
  }

  /** The next step, with these participants. */
  async step(devices: readonly TestDevice[], change: Partial<NoiseRun> = {}, event: DpEvent = runEvent): Promise<void> {
    this.#step += 1;
    const run = { first: this.#first, step: this.#step, ...change };
    await this.rounds.complete(devices, {
      plan: (plan) => runPlan(plan, run, event),
      debit: (debit) => {
        this.#first ??= debit.plan;
        return { ...debit, event: encodeEvent(event) };
      },
    });
  }
}
