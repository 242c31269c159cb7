import t from "tap";
import { ROUND_STATES, RoundState, wireRoundState } from "../src/index.js";

t.test("the states of a round are the wire's, by name and in its order", (t) => {
  t.strictSame(
    [ROUND_STATES[0], ROUND_STATES[6], ROUND_STATES.at(-2), ROUND_STATES.at(-1)],
    ["planned", "masked", "closed", "abandoned"],
  );
  t.strictSame(
    ROUND_STATES.map(wireRoundState),
    ROUND_STATES.map((_, at) => at + 1),
  );
  t.equal(wireRoundState("closed"), RoundState.CLOSED);
  t.end();
});
