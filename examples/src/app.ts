// A whole app of one participant, in the terminal: shows the notice and asks, takes part, uses the model, shows what it
// cost and what is kept, withdraws, erases. The participant lives in a thread of its own, app-worker.ts.
//
//   node examples/dist/src/app.js HOST:PORT FOLDER RATINGS.csv              take part, then recommend
//   node examples/dist/src/app.js HOST:PORT FOLDER RATINGS.csv --withdraw   withdraw consent
//   node examples/dist/src/app.js HOST:PORT FOLDER RATINGS.csv --export     show what device and coordinator keep
//   node examples/dist/src/app.js HOST:PORT FOLDER RATINGS.csv --erase      have everything erased
//
// FOLDER is the device: key, consent, receipts and the latest model. RATINGS.csv has lines
// of "lecturer,rating", like "7,4".
import { readFile, rm } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { Worker } from "node:worker_threads";
import { type AppParticipant, ClientError, type Notice, type Ratings } from "@fedloop/client-runtime";
import { threadPort } from "@fedloop/client-runtime/node";
import { WorkerParticipant } from "@fedloop/client-runtime/worker";
import type { FromApp } from "./app-worker.js";
import { ratingsOf, recommended } from "./lecturers.js";

/** Shows exactly the bytes that the consent record will name by their hash, and asks. */
async function ask({ bytes, controller }: Notice, purpose: string): Promise<boolean> {
  console.log(new TextDecoder().decode(bytes));
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`May ${controller} use your ratings for ${purpose}? [yes/no] `);
  terminal.close();
  return answer.trim().toLowerCase() === "yes";
}

/** Takes part until the rounds are over, then uses the model. The same with a participant of any kind. */
async function takePart(participant: AppParticipant, ratings: Ratings, signal: AbortSignal): Promise<void> {
  for await (const event of participant.run({ signal })) {
    if ("round" in event) console.log(`round ${event.round}: ${event.type}`);
  }
  const { epsilon, delta, rounds } = await participant.budget();
  console.log(`${rounds} rounds cost ε ${epsilon.toFixed(3)} at δ ${delta}`);
  const model = await participant.model({ signal });
  if (model !== undefined) console.log(`recommended: lecturers ${recommended(model.parameters, ratings).join(", ")}`);
}

async function withdraw(participant: AppParticipant): Promise<void> {
  await participant.withdraw();
  const receipts = (await participant.receipts()).map(({ type, index }) => `${type} at ${index}`);
  console.log(`withdrawn; receipts: ${receipts.join(", ")}`);
}

async function main([address, folder, path, ...flags]: readonly string[]): Promise<void> {
  if (address === undefined || folder === undefined || path === undefined) {
    throw new Error("expected HOST:PORT FOLDER RATINGS.csv");
  }
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const ratings = ratingsOf(await readFile(path, "utf8"));
  const worker = new Worker(new URL("./app-worker.js", import.meta.url));
  const data: FromApp = { address, folder, ratings };
  try {
    const { signal } = stop;
    const participant = await WorkerParticipant.join({ worker: threadPort(worker), data, decide: ask, signal });
    if (flags.includes("--withdraw")) await withdraw(participant);
    else if (flags.includes("--export")) console.log(JSON.stringify(await participant.export(), undefined, 2));
    else if (flags.includes("--erase")) console.log((await participant.erase()).erasure);
    else await takePart(participant, ratings, signal);
    await participant.close();
    if (flags.includes("--erase")) await rm(folder, { recursive: true });
  } finally {
    await worker.terminate();
  }
}

main(process.argv.slice(2)).catch((cause: unknown) => {
  console.error(cause instanceof ClientError ? `${cause.code}: ${cause.message}` : cause);
  process.exitCode = 1;
});
