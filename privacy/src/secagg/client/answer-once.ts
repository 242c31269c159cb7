import type { Secret, Turn } from "../secret.js";

/** What all of a device's states have in common: one answer, and secrets to erase when it goes wrong. */
export interface DeviceState {
  readonly turn: Turn;
  /** Every secret that this state holds. */
  readonly secrets: readonly Secret[];
}

/** A step's outcome: the next state, and the message to send. */
export interface DeviceStep<State, Message> {
  readonly state: State;
  readonly message: Message;
}

/**
 * Answers a state's one message. Whatever is thrown, the state's secrets are gone: a device that refused a step has
 * nothing left with which it could be talked into the next.
 */
export async function answerOnce<T>(state: DeviceState, step: string, answer: () => Promise<T>): Promise<T> {
  state.turn.take(step);
  try {
    return await answer();
  } catch (error) {
    for (const secret of state.secrets) secret.erase();
    throw error;
  }
}
