import type { Decision, SimulatedPerson } from "./messages.js";
import type { ParticipantRatings } from "./ratings.js";

/** About three in a hundred: two refuse, one agrees and withdraws before the first round. */
const REFUSE = 0.02;
const WITHDRAW = 0.01;

/**
 * Decides for each simulated person what it answers when asked. The seed chooses who refuses, and nothing else: keys
 * and noise always come from the platform's secure source.
 */
export function decide(participants: readonly ParticipantRatings[], seed: number): SimulatedPerson[] {
  const next = mulberry32(seed);
  return participants.map((ratings) => ({ ratings, decision: decisionOf(next()) }));
}

function decisionOf(draw: number): Decision {
  if (draw < REFUSE) return "refuse";
  return draw < REFUSE + WITHDRAW ? "give-then-withdraw" : "give";
}

/** A small seeded generator (Tommy Ettinger's Mulberry32), for choices that protect nobody. Uniform in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
