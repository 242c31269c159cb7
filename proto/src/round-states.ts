import { RoundState } from "./gen/fedloop/v1/rounds_pb.js";

/** A state of a round by the name under which it is stored, shown and written about. */
export type RoundStateName = Lowercase<Exclude<keyof typeof RoundState, "UNSPECIFIED">>;

const WIRE: Readonly<Record<string, string | RoundState>> = RoundState;

/** The states of a round in the order in which it passes them; `abandoned`, the last, can follow any before `aggregated`. */
export const ROUND_STATES: readonly RoundStateName[] = Object.values(WIRE)
  .filter((value) => typeof value === "number" && value !== RoundState.UNSPECIFIED)
  .map((value) => String(WIRE[value]).toLowerCase() as RoundStateName);

/** The state as the wire has it. */
export function wireRoundState(name: RoundStateName): RoundState {
  return RoundState[name.toUpperCase() as Uppercase<RoundStateName>];
}
