/** Plans that ask queries, and people who answer them from rows of their own. */
import type { Participant } from "@fedloop/client-runtime";
import { analyticsTrainer, type RowSource } from "@fedloop/client-runtime/analytics";
import { nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import type { Row } from "@fedloop/privacy/analytics";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import type { Federation } from "../server/federation.js";
import type { PlanChanges } from "../server/plans.js";

/** In which of two arms a device's message was, and whether it was answered. */
export const MESSAGE_EXPERIMENT = {
  kind: "experiment",
  table: "messages",
  arm: "arm",
  arms: ["short", "long"],
  value: { of: "sum", column: "answered" },
  lower: 0,
  upper: 1,
  minimumDevices: 1,
} as const;

/** What the experiment counts of the device of this number: half of them are in each arm; in "long" all answer, in "short" nobody. */
export function messagesOf(device: number): readonly Row[] {
  return [{ arm: device % 2 === 0 ? "short" : "long", answered: device % 2 === 1 }];
}

/** The sections of a plan that asks under secure aggregation, with noise from the devices. */
export function asking(members: number, queries: readonly object[], privacy: object = {}): PlanChanges {
  return {
    model: undefined,
    trainer: undefined,
    rounds: undefined,
    cohort: { target: members, minimum: members - 1, overSelection: 1 },
    privacy: { mechanism: "distributed-discrete-gaussian", epsilon: 8, delta: 1e-5, ...privacy },
    secureAggregation: { enabled: true },
    analytics: { queries },
  };
}

/** The same without noise: what comes out can be compared to the last bit. */
export function askingExactly(members: number, queries: readonly object[]): PlanChanges {
  return {
    ...asking(members, queries),
    privacy: { mechanism: "none", reason: "the test compares exact numbers" },
  };
}

/** Enrolls one participant for each set of tables, and has all take part until there is nothing more to answer. */
export async function answer(
  federation: Federation,
  people: readonly Readonly<Record<string, RowSource>>[],
): Promise<readonly Participant[]> {
  const crypto = nodeDeviceCrypto({ random: systemRandom(), verifier: nodeVerifier() });
  const participants = await Promise.all(
    people.map((tables) => federation.join({ trainer: analyticsTrainer({ tables }), secureAggregation: crypto })),
  );
  const parts = participants.map((participant) => federation.takePart(participant));
  await federation.run();
  await Promise.all(parts);
  return participants;
}
