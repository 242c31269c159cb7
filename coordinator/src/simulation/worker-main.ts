/** A process that holds many participants of a simulation. It is told who they are, and tells what becomes of them. */
import {
  biasedFactorisationTrainer,
  ClientError,
  memoryStore,
  Participant,
  type Transport,
} from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { nodeSha256 } from "@fedloop/client-runtime/node";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { aesCtrRandom } from "@fedloop/privacy/node";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import { eachLimited } from "./each-limited.js";
import type { FromWorker, NumberedPerson, ToWorker } from "./messages.js";
import { rememberingVerifier } from "./remembered-signatures.js";

type Start = Extract<ToWorker, { type: "start" }>;

/** Participants that enroll at the same time. */
const ENROLLING = 24;
/** Participants that share a connection, as people behind one gateway do. */
const PEOPLE_A_CONNECTION = 100;

const stopping = new AbortController();
process.on("SIGTERM", () => stopping.abort());
process.on("SIGINT", () => stopping.abort());
process.on("disconnect", () => process.exit(0));

function tell(message: FromWorker): void {
  process.send?.(message);
}

/** The first moments of a participant's life: keys, enrolment, the question and its answer. */
async function enter(start: Start, person: NumberedPerson, transport: Transport): Promise<Participant | undefined> {
  const { decision, ratings } = person;
  const participant = await Participant.join({
    population: start.population,
    transport,
    store: memoryStore(),
    signer: generateNodeSigner(),
    verifier,
    sha256: nodeSha256,
    random,
    secureAggregation: crypto,
    trainer: biasedFactorisationTrainer(ratings),
    trust: { log: start.log },
    floors: {
      allowNoNoise: start.privacy.allowNone,
      allowExampleUnit: start.privacy.allowExampleUnit,
      requireSecureAggregation: start.privacy.secureAggregation,
      maximumEpsilon: start.privacy.maxEpsilon,
      maximumEpsilonPerRound: start.privacy.maxEpsilon,
      ...(start.privacy.allowNone ? { minimumNoiseMultiplier: 0 } : {}),
    },
    consent: {
      purposes: [start.purpose],
      decide: () => decision !== "refuse",
      dataCategories: ["lecture ratings"],
      storage: "on this device",
      retention: "until withdrawn",
      jurisdiction: "CH",
      withdrawal: "in the app's settings, in one step",
      interface: "simulated dialog",
    },
    signal: stopping.signal,
  });
  if (decision === "give-then-withdraw") await participant.withdraw();
  tell({ type: "decided", person: person.number, subject: participant.subject, decision });
  return decision === "give" ? participant : undefined;
}

/** The rest of it: rounds, until there are no more. */
async function live(participant: Participant): Promise<void> {
  for await (const event of participant.run({ signal: stopping.signal })) {
    if (event.type === "accepted") tell({ type: "accepted", round: event.round });
    if (event.type === "refused") tell({ type: "refused", round: event.round, code: event.code });
  }
}

function tellFailure(cause: unknown): void {
  if (stopping.signal.aborted) return;
  const code = cause instanceof ClientError ? cause.code : "INTERNAL";
  tell({ type: "failed", code, message: cause instanceof Error ? cause.message : String(cause) });
}

async function run(start: Start, people: readonly NumberedPerson[]): Promise<void> {
  const connections = Array.from({ length: Math.ceil(people.length / PEOPLE_A_CONNECTION) }, () =>
    grpcTransport({ address: start.address }),
  );
  const living: Promise<void>[] = [];
  try {
    await eachLimited(people, ENROLLING, async (person, index) => {
      const transport = connections[Math.floor(index / PEOPLE_A_CONNECTION)];
      if (transport === undefined) return;
      try {
        const participant = await enter(start, person, transport);
        if (participant !== undefined) living.push(live(participant).catch(tellFailure));
      } catch (cause) {
        tellFailure(cause);
      }
    });
    await Promise.all(living);
  } finally {
    await Promise.all(connections.map((transport) => transport.close()));
  }
}

const verifier = rememberingVerifier(nodeVerifier());
const random = aesCtrRandom();
const crypto = nodeDeviceCrypto({ random, verifier });
const people: NumberedPerson[] = [];
let start: Start | undefined;

process.on("message", (message: ToWorker) => {
  if (message.type === "start") start = message;
  else if (message.type === "people") people.push(...message.people);
  else if (start !== undefined) {
    run(start, people).then(
      () => tell({ type: "done" }),
      (cause) => {
        console.error(cause);
        process.exit(1);
      },
    );
  }
});
