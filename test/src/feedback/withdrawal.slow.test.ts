// Somebody withdraws in the middle of a round: what was captured is gone, and the sum is the others'.
import { memoryStore, Participant, type Trainer } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { fileStore } from "@fedloop/client-runtime/node";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { Capture, defineEvents, ParticipantConsent, purposeGate } from "@fedloop/feedback";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import * as z from "zod/mini";
import { briskClock } from "../processes/brisk-clock.js";
import { POPULATION, PURPOSE, ServeProcess, temporaryFolder, writeConfiguration } from "../processes/serve.js";
import { WILLING } from "../processes/willing.js";

/** What each of the others adds; with the fixed divisor of the plan the mean is exact. */
const OTHERS = [1, 2, 4, 8];
const EVENTS = 5_000;
const PLAN = {
  cohort: { target: OTHERS.length + 1, minimum: OTHERS.length, overSelection: 1 },
  deadlines: { selection: "20s", report: "20s" },
  privacy: { mechanism: "none", reason: "the test compares exact numbers", clipNorm: 64, bits: 20 },
  secureAggregation: { enabled: true },
};
const registry = defineEvents({
  purposes: [PURPOSE],
  events: {
    rating: { purpose: PURPOSE, retentionDays: 30, fields: { stars: { schema: z.number(), purpose: PURPOSE } } },
  },
});
const verifier = nodeVerifier();

function adding(update: () => Promise<number>): Trainer {
  return {
    id: "test",
    train: async ({ updateLength }) => ({ update: new Float32Array(updateLength).fill(await update()) }),
    evaluate: async ({ updateLength }) => new Float32Array(updateLength),
  };
}

t.test("a withdrawal in mid-round keeps the contribution out and deletes what was captured for it", async (t) => {
  const folder = temporaryFolder(t);
  const server = new ServeProcess(t, writeConfiguration(folder, PLAN));
  const { address } = await server.listening();
  const transport = grpcTransport({ address });
  t.teardown(() => transport.close());
  const join = (trainer: Trainer): Promise<Participant> =>
    Participant.join({
      population: POPULATION,
      transport,
      store: memoryStore(),
      signer: generateNodeSigner(),
      verifier,
      trainer,
      floors: { allowNoNoise: true, minimumCohort: 1 },
      secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
      consent: WILLING,
      clock: briskClock,
      retry: { attempts: 2_000, firstMs: 25, longestMs: 25 },
    });
  let begun = (): void => {};
  const training = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let withdrawn = (): void => {};
  const over = new Promise<void>((resolve) => {
    withdrawn = resolve;
  });
  // The others wait with their updates until somebody has withdrawn: the round is then in its middle.
  const others = await Promise.all(OTHERS.map((value) => join(adding(() => over.then(() => value)))));
  const store = fileStore(`${folder}/events`);
  t.teardown(() => store.close());
  let learnedFrom = 0;
  const leaving = await join(
    adding(async () => {
      for await (const { fields } of capture.read(PURPOSE)) learnedFrom += Number(fields.stars);
      begun();
      await over;
      return 1_000;
    }),
  );
  const consent = new ParticipantConsent(leaving);
  const capture = await Capture.open({ registry, store, gate: purposeGate(consent) });
  for (let n = 0; n < EVENTS; n++) capture.record("rating", { stars: 1 });
  await capture.flush();
  t.ok((await store.keys("events/")).length > 0);

  const runs = [...others, leaving].map(async (participant) => {
    const types: string[] = [];
    for await (const event of participant.run()) types.push(event.type);
    return types;
  });
  await training;
  t.equal(learnedFrom, EVENTS, "until then it learned from all of them");
  const done = consent.withdraw(PURPOSE);
  t.equal(capture.count(PURPOSE).pending, 0);
  for await (const event of capture.read(PURPOSE)) t.fail(`${event.type} was read after the withdrawal`);
  await capture.deleted();
  t.same(await store.keys("events/"), [], "nothing is left on disk");
  await done;
  withdrawn();
  const [first = [], , , , last = []] = await Promise.all(runs);
  t.ok(first.includes("released"));
  t.notOk(last.includes("accepted"));
  const model = await others[0]?.model();
  const mean = OTHERS.reduce((sum, value) => sum + value, 0) / PLAN.cohort.target;
  t.same([...(model?.parameters ?? [])], [mean, mean, mean], "the sum is the others'");
  await capture.close();
});
