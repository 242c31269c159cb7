import { type Clock, systemClock } from "@fedloop/client-runtime";

const platform: Clock = systemClock();

/** Who is told to come back in a while comes back soon: nobody shall wait for a test. */
export const briskClock: Clock = {
  now: () => platform.now(),
  wait: (ms, signal) => platform.wait(Math.min(ms, 25), signal),
};
