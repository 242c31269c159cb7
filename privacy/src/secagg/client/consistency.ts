import { SecAggError } from "../errors.js";
import type { MaskGraph } from "../graph/graph.js";
import { requireMembers } from "../members.js";
import type { SurvivorConfirmation, SurvivorSet } from "../messages.js";
import { Turn } from "../secret.js";
import { survivorsTranscript } from "../transcript.js";
import { answerOnce, type DeviceState, type DeviceStep } from "./answer-once.js";
import type { DeviceSetup } from "./keys.js";
import type { HeldShares, MaskedState } from "./masked.js";

/** The device has signed the survivor set and waits to see that its neighbours signed the same. */
export interface ConsistencyState extends DeviceState {
  readonly type: "consistency";
  readonly setup: DeviceSetup;
  readonly graph: MaskGraph;
  readonly member: number;
  readonly deviceKeys: ReadonlyMap<number, Uint8Array>;
  readonly held: readonly HeldShares[];
  readonly survivors: readonly number[];
}

/**
 * Fourth step: checks the survivor set and signs it, once.
 *
 * @throws SecAggError UNKNOWN_MEMBER, DUPLICATE_MEMBER, MALFORMED, LISTED_DEAD, ALIVE_AND_DEAD, TOO_FEW_SURVIVORS
 */
export function confirmSurvivors(
  state: MaskedState,
  { survivors }: SurvivorSet,
): Promise<DeviceStep<ConsistencyState, SurvivorConfirmation>> {
  return answerOnce(state, "consistency", async () => {
    checkSurvivors(state, survivors);
    const { parameters, signer } = state.setup;
    const signature = await signer.sign(survivorsTranscript(parameters, survivors));
    return {
      state: {
        type: "consistency",
        setup: state.setup,
        graph: state.graph,
        member: state.member,
        deviceKeys: state.deviceKeys,
        held: state.held,
        survivors: [...survivors],
        turn: new Turn(),
        secrets: state.secrets,
      },
      message: { signature },
    };
  });
}

function checkSurvivors(state: MaskedState, survivors: readonly number[]): void {
  requireMembers(survivors, state.graph.members);
  const alive = new Set(survivors);
  if (!alive.has(state.member)) {
    throw new SecAggError(
      "LISTED_DEAD",
      "This device sent its vector and is not listed as a survivor. Leave the round.",
    );
  }
  const risen = [...state.gone].find((member) => alive.has(member));
  if (risen !== undefined) {
    throw new SecAggError("ALIVE_AND_DEAD", `Member ${risen} was said to be gone and is listed as a survivor.`);
  }
  const { minimumSurvivors } = state.setup.parameters;
  if (survivors.length < minimumSurvivors) {
    throw new SecAggError(
      "TOO_FEW_SURVIVORS",
      `The plan asks for ${minimumSurvivors} survivors; ${survivors.length} are listed.`,
    );
  }
  const holders = state.graph.holders(state.member).filter((holder) => alive.has(holder)).length;
  if (holders < state.graph.threshold) {
    throw new SecAggError(
      "TOO_FEW_SURVIVORS",
      `${holders} holders of this device's shares survive; ${state.graph.threshold} are needed.`,
    );
  }
}
