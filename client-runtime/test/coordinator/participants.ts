import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import type { Test } from "tap";
import { type JoinOptions, memoryStore, Participant, type ParticipationEvent, type Trainer } from "../../src/index.js";
import { nodeSha256 } from "../../src/index.node.js";
import { grpcTransport } from "../../src/transport/grpc.node.js";
import { EagerClock } from "./clock.js";
import { POPULATION, PURPOSE } from "./plans.js";
import { TestCoordinator, type TestCoordinatorOptions } from "./test-coordinator.js";

/** Adds one to every parameter; evaluates to ones. */
export function testTrainer(overrides: Partial<Trainer> = {}): Trainer {
  return {
    id: "test",
    train: async ({ updateLength }) => ({ update: new Float32Array(updateLength).fill(0.5) }),
    evaluate: async ({ updateLength }) => new Float32Array(updateLength).fill(0.25),
    ...overrides,
  };
}

export const TERMS: JoinOptions["consent"] = {
  purposes: [PURPOSE],
  decide: () => true,
  dataCategories: ["ratings"],
  storage: "on the device",
  retention: "until withdrawn",
  jurisdiction: "CH",
  withdrawal: "participant.withdraw()",
  interface: "test",
};

export interface Started {
  readonly coordinator: TestCoordinator;
  readonly clock: EagerClock;
  readonly join: (overrides?: Partial<JoinOptions>) => Promise<Participant>;
}

/** A coordinator and a way to join it; both are closed with the test. */
export async function start(t: Test, options: TestCoordinatorOptions = {}): Promise<Started> {
  const clock = new EagerClock();
  const coordinator = await TestCoordinator.start({ clock, ...options });
  const transport = grpcTransport({ address: coordinator.address });
  t.teardown(async () => {
    await transport.close();
    await coordinator.close();
  });
  const join = (overrides: Partial<JoinOptions> = {}): Promise<Participant> =>
    Participant.join({
      population: POPULATION,
      transport,
      store: memoryStore(),
      signer: generateNodeSigner(),
      verifier: nodeVerifier(),
      trainer: testTrainer(),
      consent: TERMS,
      floors: { requireSecureAggregation: false },
      clock,
      sha256: nodeSha256,
      retry: { attempts: 4 },
      ...overrides,
    });
  return { coordinator, clock, join };
}

/** Reads events until they end, or until `last` says so. */
export async function take(
  events: AsyncIterable<ParticipationEvent>,
  last: (event: ParticipationEvent) => boolean = () => false,
): Promise<ParticipationEvent[]> {
  const taken: ParticipationEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (last(event)) break;
  }
  return taken;
}
