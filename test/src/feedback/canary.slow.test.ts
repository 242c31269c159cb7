// Canaries from training to verdict: a coordinator's process, an operator's commands, devices over gRPC, each of which measures on its own
// rows how well the model does that it was given. Nothing but noised sums of that decides which model goes live.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  type JoinOptions,
  type LabelledRows,
  logisticRegressionTrainer,
  memoryStore,
  Participant,
  readModel,
  type Trainer,
} from "@fedloop/client-runtime";
import { analyticsTrainer } from "@fedloop/client-runtime/analytics";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { generateNodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { type RandomNumbers, seededNumbers } from "@fedloop/feedback";
import { systemRandom } from "@fedloop/privacy";
import type { Row } from "@fedloop/privacy/analytics";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";
import t from "tap";
import { briskClock } from "../processes/brisk-clock.js";
import {
  FEDLOOP,
  FEDLOOP_AUDIT,
  POPULATION,
  ServeProcess,
  temporaryFolder,
  writeConfiguration,
} from "../processes/serve.js";
import { WILLING } from "../processes/willing.js";

t.setTimeout(850_000);

type Segment = "day" | "night";

const INSIGHT = "insight";
/**
 * An arm of a devices that all agree is known to 3.4/a at any look, by its floor for few people: 40 at night, in arms of 8 to 32 each but for
 * one of 23 000 draws, are enough to tell a difference of 0.9 from one of 0, by a margin of 0.45.
 */
const PEOPLE = 96;
const segmentOf = (at: number): Segment => (at % 12 < 5 ? "night" : "day");
const ROWS = 16;
const WIDTH = 4;

/** Whose answers the app read the wrong way round when each round was trained, until somebody saw. */
const MISREAD: readonly (readonly Segment[])[] = [["day"], ["night"], [], ["day", "night"]];
const [FIRST, UNFAIR, BETTER, WORSE] = [1, 2, 3, 4] as const;

const measured = {
  kind: "experiment",
  table: "answers",
  arm: "model",
  arms: ["live", "canary"],
  per: "trial",
  value: { of: "mean", column: "right" },
  lower: 0,
  upper: 1,
};
const secure = {
  cohort: { target: PEOPLE, minimum: PEOPLE - 1, overSelection: 1 },
  deadlines: { selection: "120s", report: "120s" },
  policy: { epsilon: 1_000, delta: 1e-5 },
  secureAggregation: { enabled: true },
};
const TRAINS = {
  ...secure,
  model: { parameters: WIDTH + 1 },
  trainer: { id: "logistic-regression", settings: { learningRate: 2, epochs: 30 } },
  rounds: MISREAD.length,
  release: "manual",
  privacy: { mechanism: "distributed-discrete-gaussian", clipNorm: 16, noiseMultiplier: 0.06 },
  watch: { population: INSIGHT, canary: { query: "canary", margin: 0.45, segments: ["canary-night"] } },
};
/** A device's share of the noise is small, so that few are enough; a segment of two devices in an arm is not looked at. */
const ASKS = {
  ...secure,
  population: INSIGHT,
  model: undefined,
  trainer: undefined,
  rounds: undefined,
  privacy: { mechanism: "distributed-discrete-gaussian", noiseMultiplier: 0.1 },
  analytics: {
    queries: [
      { name: "canary", ask: { ...measured, minimumDevices: 2 }, times: 6 },
      { name: "canary-night", ask: { ...measured, where: { segment: "night" }, minimumDevices: 2 }, times: 6 },
    ],
  },
};

interface Person {
  readonly segment: Segment;
  /** As they are, and as the app reads them in a round. */
  readonly rows: LabelledRows;
  readonly read: (round: number) => LabelledRows;
}

/** Each segment has two numbers of its own, and answers 1 where the first of them is larger. */
function personOf(random: RandomNumbers, segment: Segment): Person {
  const features = new Float32Array(ROWS * WIDTH);
  const labels = new Uint8Array(ROWS);
  for (let row = 0; row < ROWS; row++) {
    const [first, second] = [random.gaussian(), random.gaussian()];
    features.set([first, second], row * WIDTH + (segment === "day" ? 0 : 2));
    labels[row] = first > second ? 1 : 0;
  }
  const held = labels.map((_, row) => row % 2);
  const rows = { features, labels, held };
  const misread = { ...rows, labels: labels.map((label) => 1 - label) };
  return { segment, rows, read: (round) => (MISREAD[round - 1]?.includes(segment) === true ? misread : rows) };
}

/** Share of the rows kept for evaluation that a model has right. */
function rightBy(parameters: Float32Array, { rows: { features, labels, held } }: Person): number {
  let [right, seen] = [0, 0];
  labels.forEach((label, row) => {
    if (held[row] !== 1) return;
    const logit = Array.from({ length: WIDTH }, (_, i) => (parameters[i] ?? 0) * (features[row * WIDTH + i] ?? 0));
    const sum = logit.reduce((total, each) => total + each, parameters[WIDTH] ?? 0);
    right += Number(sum > 0 === (label === 1));
    seen += 1;
  });
  return right / seen;
}

/** A port of 127.0.0.1 that nobody has: the operator's commands ask the coordinator at the one that its configuration names. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("expected a port");
  return address.port;
}

t.test("what devices measure decides which model goes live, and none that is worse for a segment does", async (t) => {
  const folder = temporaryFolder(t);
  const config = writeConfiguration(folder, TRAINS, 0, { port: await freePort(), corsOrigins: [] }, [ASKS]);
  const server = new ServeProcess(t, config);
  const { address } = await server.listening();
  /** What a command prints, as the operator would type it while the coordinator runs. */
  const typed = async (...words: readonly string[]) => {
    const { stdout } = await promisify(execFile)(process.execPath, [FEDLOOP, "--config", config, ...words, "--json"]);
    return JSON.parse(stdout);
  };
  const promote = (round: number, ...flags: readonly string[]) =>
    typed("models", "promote", POPULATION, `${round}`, ...flags);
  const stages = async (): Promise<readonly string[]> =>
    (await typed("models", "list", POPULATION)).models.map(({ stage }: { readonly stage: string }) => stage);

  const transport = grpcTransport({ address });
  t.teardown(() => transport.close());
  const verifier = nodeVerifier();
  const joinAs = (population: string, signer: JoinOptions["signer"], trainer: Trainer): Promise<Participant> =>
    Participant.join({
      population,
      transport,
      store: memoryStore(),
      signer,
      verifier,
      trainer,
      secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
      floors: { minimumNoiseMultiplier: 0, maximumEpsilonPerRound: 1e7, maximumEpsilon: 1e7, minimumCohort: 1 },
      consent: WILLING,
      clock: briskClock,
    });

  const random = seededNumbers("canaries");
  const people = Array.from({ length: PEOPLE }, (_, at) => personOf(random, segmentOf(at)));
  const apps = await Promise.all(
    people.map(async (person) => {
      const signer = generateNodeSigner();
      let round = FIRST as number;
      const learner = await joinAs(POPULATION, signer, {
        ...logisticRegressionTrainer(person.rows),
        train: (task) => logisticRegressionTrainer(person.read(round)).train(task),
      });
      const learnt = (async () => {
        for await (const event of learner.run()) if (event.type === "accepted") round = event.round + 1;
      })();
      const answers = async (): Promise<readonly Row[]> => {
        const model = await learner.model();
        if (model?.trial === undefined) return [];
        const { round, arm } = model.trial;
        const right = rightBy(model.parameters, person);
        return [{ trial: `round ${round}`, model: arm, segment: person.segment, right }];
      };
      return { signer, learner, learnt, trainer: analyticsTrainer({ tables: { answers } }) };
    }),
  );
  await Promise.all(apps.map(({ learnt }) => learnt));
  await promote(FIRST);

  const ending = new AbortController();
  t.teardown(() => ending.abort());
  await promote(UNFAIR, "--canary", "50");
  const [one] = apps;
  const given = await Promise.all(apps.map(async ({ learner }) => (await learner.model())?.trial?.arm));
  const share = given.filter((arm) => arm === "canary").length;
  t.ok(share > 0 && share < PEOPLE && one !== undefined, `${share} of ${PEOPLE} devices have the canary`);
  const answering = apps.map(async ({ signer, trainer }) => {
    const participant = await joinAs(INSIGHT, signer, trainer);
    for await (const _ of participant.run({ signal: ending.signal }));
  });
  const verdictOn = async (canary: number): Promise<string | undefined> =>
    (
      await server.line(({ event, round, population }) =>
        event === "canary" ? round === canary : event === "finished" && population === INSIGHT,
      )
    ).verdict;
  t.equal(await verdictOn(UNFAIR), "roll-back", "better for those who learn by day, worse at night");
  t.same(await stages(), ["live", "rolled-back", "candidate", "candidate"]);

  await promote(BETTER, "--canary", "50");
  t.equal(await verdictOn(BETTER), "promote");
  t.same(await stages(), ["superseded", "rolled-back", "live", "candidate"]);

  await promote(WORSE, "--canary", "50");
  t.equal(await verdictOn(WORSE), "roll-back");
  t.same(await stages(), ["superseded", "rolled-back", "live", "rolled-back"]);
  t.equal((await one?.learner.model())?.round, BETTER, "what an app uses now");
  ending.abort();
  await Promise.allSettled(answering);

  // What nobody but this test can know: how many answers each model has right, on all devices and on those of the night.
  const truths = await Promise.all(
    [FIRST, UNFAIR, BETTER, WORSE].map(async (round) => {
      const out = join(folder, `${round}.safetensors`);
      await typed("models", "export", POPULATION, `${round}`, "--out", out);
      const { parameters } = readModel(new Uint8Array(await readFile(out)));
      const mean = (some: readonly Person[]) =>
        some.reduce((sum, person) => sum + rightBy(parameters, person), 0) / some.length;
      return { all: mean(people), night: mean(people.filter(({ segment }) => segment === "night")) };
    }),
  );
  t.comment(JSON.stringify(truths));
  const [first, unfair, better, worse] = truths;
  t.ok(first && unfair && unfair.all > first.all + 0.05 && unfair.night < first.night - 0.5, "better on the whole");
  t.ok(first && better && better.all > first.all + 0.3 && better.night > first.night - 0.1, "better for everybody");
  t.ok(better && worse && worse.all < better.all - 0.5, "worse for everybody");

  server.child.kill("SIGTERM");
  t.equal(await server.exit(), 0, server.log);
  const bundle = join(folder, "bundle.jsonl");
  await typed("audit-bundle", "export", "--out", bundle);
  const { stdout } = await promisify(execFile)(process.execPath, [FEDLOOP_AUDIT, "verify", bundle, "--json"]);
  t.match(JSON.parse(stdout), { ok: true }, "an auditor finds each change of stage in the log");
});
