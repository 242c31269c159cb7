import type { Transport } from "@fedloop/client-runtime";

/** Calls of a round, before which a device can stop. */
export type Step = "advertiseKeys" | "shareKeys" | "submitMasked" | "confirmSurvivors" | "unmask";

/** A connection that dies for good, without a word, before the first call of one kind. */
export function stoppingBefore(transport: Transport, step: Step): Transport {
  let isDead = false;
  return {
    unary(method, request, options) {
      isDead ||= method.localName === step;
      if (!isDead) return transport.unary(method, request, options);
      return new Promise((_, reject) => {
        options.signal?.addEventListener("abort", () => reject(options.signal?.reason), { once: true });
      });
    },
    serverStream: (method, request, options) => transport.serverStream(method, request, options),
    close: () => Promise.resolve(),
  };
}
