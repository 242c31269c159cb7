import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { type CallOptions, ClientError, type Clock, type Transport } from "@fedloop/client-runtime";

/** What a network does to calls. */
export interface Faults {
  /** Every unary call is sent twice, byte for byte. */
  readonly twice?: boolean;
  /** The answer to every n-th unary call is lost, after the coordinator has acted on it. */
  readonly loseEvery?: number;
  /** How long a call, an answer or an event is on its way, milliseconds. */
  readonly delayMs?: () => number;
}

/** A transport over a network with faults. */
export function faulty(inner: Transport, clock: Clock, { twice = false, loseEvery = 0, delayMs }: Faults): Transport {
  let calls = 0;
  const travel = async (): Promise<void> => {
    if (delayMs !== undefined) await clock.wait(delayMs());
  };
  return {
    async unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      request: MessageShape<I>,
      options: CallOptions,
    ): Promise<MessageShape<O>> {
      calls += 1;
      const isLost = loseEvery > 0 && calls % loseEvery === 0;
      await travel();
      const answered = inner.unary(method, request, options);
      // The second copy is refused as a replay, or answered as the first; nobody waits for it.
      if (twice) inner.unary(method, request, options).catch(() => {});
      const answer = await answered;
      await travel();
      if (isLost) throw new ClientError("UNAVAILABLE", "the answer was lost");
      return answer;
    },
    async *serverStream(method, request, options) {
      for await (const message of inner.serverStream(method, request, options)) {
        await travel();
        yield message;
      }
    },
    close: () => inner.close(),
  };
}

/** Numbers in [0, most) from a seed (mulberry32): the same faults in every run. */
export function seededDelays(seed: number, most: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * most;
  };
}
