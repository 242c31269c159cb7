// A whole app of one participant, in the terminal: shows the notice and asks, takes part, uses the model, withdraws.
//
//   node examples/dist/src/app.js HOST:PORT FOLDER RATINGS.csv              take part, then recommend
//   node examples/dist/src/app.js HOST:PORT FOLDER RATINGS.csv --withdraw   withdraw consent and leave
//
// FOLDER is the device: key, consent, receipts and the latest model. RATINGS.csv has lines
// of "lecturer,rating", like "7,4".
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import {
  biasedFactorisationTrainer,
  ClientError,
  type Notice,
  Participant,
  type Ratings,
  type Trainer,
  type TrainingTask,
} from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import { fileStore } from "@fedloop/client-runtime/node";
import { decodeBase64Url } from "@fedloop/consent";
import { nodeSigner, nodeVerifier } from "@fedloop/consent/node";
import { systemRandom } from "@fedloop/privacy";
import { nodeDeviceCrypto } from "@fedloop/privacy/secagg/node";

const HOLD_EVERY = 5;

/** Lines of "lecturer,rating". Every fifth rating is kept for evaluation. */
async function readRatings(path: string): Promise<Ratings> {
  const rows = (await readFile(path, "utf8")).trim().split("\n");
  const cells = rows.map((row) => row.split(",").map(Number));
  if (cells.some(([item, rating]) => !Number.isSafeInteger(item) || !Number.isFinite(rating))) {
    throw new Error(`expected lines of "lecturer,rating" in ${path}, came others`);
  }
  return {
    items: Int32Array.from(cells, ([item]) => item ?? 0),
    ratings: Float32Array.from(cells, ([, rating]) => rating ?? 0),
    held: Uint8Array.from(cells, (_, index) => (index % HOLD_EVERY === HOLD_EVERY - 1 ? 1 : 0)),
  };
}

/** The device's key: made on the first run, 32 secret bytes. */
async function deviceKey(folder: string): Promise<Uint8Array> {
  const path = join(folder, "key");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const made = await readFile(path).catch(() => undefined);
  if (made !== undefined) return new Uint8Array(made);
  const key = randomBytes(32);
  await writeFile(path, key, { flag: "wx", mode: 0o600 });
  return new Uint8Array(key);
}

/** The same trainer, which also keeps the model of each round on the device, for the app to use. */
function keepingModel(trainer: Trainer): Trainer {
  const keep = ({ parameters, state }: TrainingTask): Promise<void> =>
    state.put("model", new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength));
  return {
    id: trainer.id,
    train: async (task) => {
      await keep(task);
      return trainer.train(task);
    },
    evaluate: async (task) => {
      await keep(task);
      return trainer.evaluate(task);
    },
  };
}

/** Shows exactly the bytes that the consent record will name by their hash, and asks. */
async function ask({ bytes, controller }: Notice, purpose: string): Promise<boolean> {
  console.log(new TextDecoder().decode(bytes));
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`May ${controller} use your ratings for ${purpose}? [yes/no] `);
  terminal.close();
  return answer.trim().toLowerCase() === "yes";
}

/** Lecturers that this participant has not rated, best first. The participant's own strictness shifts all alike. */
function recommended(model: Float32Array, { items }: Ratings): number[] {
  const rated = new Set(items);
  return [...model.subarray(0, -1).keys()]
    .filter((lecturer) => !rated.has(lecturer))
    .sort((a, b) => (model[b] ?? 0) - (model[a] ?? 0))
    .slice(0, 3);
}

async function main([address, folder, path, ...flags]: readonly string[]): Promise<void> {
  if (address === undefined || folder === undefined || path === undefined) {
    throw new Error("expected HOST:PORT FOLDER RATINGS.csv");
  }
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const ratings = await readRatings(path);
  const transport = grpcTransport({ address });
  const verifier = nodeVerifier();
  const store = fileStore(join(folder, "store"));
  try {
    const participant = await Participant.join({
      population: "lecturers-small",
      transport,
      store,
      signer: nodeSigner(await deviceKey(folder)),
      verifier,
      trainer: keepingModel(biasedFactorisationTrainer(ratings)),
      secureAggregation: nodeDeviceCrypto({ random: systemRandom(), verifier }),
      consent: {
        purposes: ["lecture-recommendations"],
        decide: ask,
        dataCategories: ["lecture ratings"],
        storage: "on this device",
        retention: "until withdrawn",
        jurisdiction: "CH",
        withdrawal: "run this program with --withdraw",
        interface: "terminal",
      },
      signal: stop.signal,
    });
    if (flags.includes("--withdraw")) {
      await participant.withdraw();
      console.log(
        `withdrawn; receipts: ${participant
          .receipts()
          .map(({ type, index }) => `${type} at ${index}`)
          .join(", ")}`,
      );
      await participant.leave();
      return;
    }
    for await (const event of participant.run({ signal: stop.signal })) {
      if ("round" in event) console.log(`round ${event.round}: ${event.type}`);
    }
    const { epsilon, delta, rounds } = participant.budget();
    console.log(`${rounds} rounds cost ε ${epsilon.toFixed(3)} at δ ${delta}`);
    const { model } = (await participant.export({ local: true })).localState;
    if (model === undefined) return;
    const parameters = new Float32Array(decodeBase64Url(model).slice().buffer);
    console.log(`recommended: lecturers ${recommended(parameters, ratings).join(", ")}`);
  } finally {
    await store.close();
    await transport.close();
  }
}

main(process.argv.slice(2)).catch((cause: unknown) => {
  console.error(cause instanceof ClientError ? `${cause.code}: ${cause.message}` : cause);
  process.exitCode = 1;
});
