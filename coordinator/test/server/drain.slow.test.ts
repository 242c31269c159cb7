import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Participant } from "@fedloop/client-runtime";
import { grpcTransport } from "@fedloop/client-runtime/grpc";
import t, { type Test } from "tap";
import { temporaryFolder } from "../temporary-folder.js";
import { within } from "../within.js";
import { HeldTrainer, joinAs, takePart } from "./people.js";
import { POPULATION, PURPOSE } from "./plans.js";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

interface Event {
  readonly event: string;
  readonly state?: string;
  readonly reason?: string | null;
  readonly round?: number;
  readonly address?: string;
  readonly http?: string;
}

/** `fedloop serve` in a process of its own, with a plan of two rounds for two. */
class Serving {
  readonly child: ChildProcess;
  readonly events: Event[] = [];
  readonly #waiting = new Set<() => void>();
  #log = "";

  constructor(t: Test, drainDeadline: string) {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, "notice.md"), "Your ratings stay with you.");
    writeFileSync(
      join(folder, "plan.yaml"),
      `population: ${POPULATION}
controller: Example University
purpose: ${PURPOSE}
notice: { file: notice.md }
language: en
dataCategories: [lecture ratings]
model: { parameters: 3 }
trainer: { id: test }
rounds: 2
cohort: { target: 2, minimum: 2, overSelection: 1 }
privacy: { mechanism: none, reason: the test looks at rounds }
secureAggregation: { enabled: false, reason: the test looks at rounds }
`,
    );
    const config = join(folder, "fedloop.yaml");
    writeFileSync(
      config,
      `origin: example.org/log
plans: [plan.yaml]
listen: { port: 0 }
http: { port: 0 }
drainDeadline: ${drainDeadline}
`,
    );
    this.child = spawn(process.execPath, [MAIN, "serve", "--json", "--config", config], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    t.teardown(() => this.child.kill("SIGKILL"));
    this.child.stderr?.on("data", (chunk) => {
      this.#log += String(chunk);
    });
    if (this.child.stdout === null) throw new Error("expected a pipe");
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      this.events.push(JSON.parse(line));
      for (const wake of this.#waiting) wake();
    });
  }

  /** Log lines, parsed. */
  get log(): Record<string, unknown>[] {
    return this.#log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  }

  event(isWanted: (event: Event) => boolean): Promise<Event> {
    return within(this.#event(isWanted), () => `an event with ${isWanted}, came ${JSON.stringify(this.events)}`);
  }

  async #event(isWanted: (event: Event) => boolean): Promise<Event> {
    for (;;) {
      const found = this.events.find(isWanted);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async ended(): Promise<number | null> {
    const told = (): string => `the process to end, which said ${JSON.stringify(this.events)}`;
    if (this.child.exitCode === null) await within(once(this.child, "close"), told);
    return this.child.exitCode;
  }
}

/** Two people whose training waits until it is let go. */
async function training(t: Test, serving: Serving) {
  const { address = "", http = "" } = await serving.event(({ event }) => event === "listening");
  const transport = grpcTransport({ address });
  const leaving = new AbortController();
  t.teardown(async () => {
    leaving.abort();
    await transport.close();
  });
  const trainers = [new HeldTrainer(1), new HeldTrainer(2)];
  const people: Participant[] = await Promise.all(trainers.map((trainer) => joinAs(transport, { trainer })));
  const parts = people.map((person) => takePart(person, leaving.signal).catch(() => undefined));
  await Promise.all(trainers.map(({ begun }) => begun));
  return { trainers, parts, http, leave: () => leaving.abort() };
}

/** Waits until readiness says this: it is asked over and over, without a pause of its own. */
function ready(http: string, status: number): Promise<unknown> {
  return within(untilReady(http, status), () => `readiness with ${status}`);
}

async function untilReady(http: string, status: number): Promise<unknown> {
  for (;;) {
    const answer = await fetch(`${http}/readyz`);
    const body = await answer.json();
    if (answer.status === status) return body;
  }
}

t.test("after SIGTERM the round under way ends, no other begins, and the process ends with 0", async (t) => {
  const serving = new Serving(t, "10m");
  const { trainers, parts, http, leave } = await training(t, serving);
  t.strictSame(await ready(http, 200), { status: "ready" });
  serving.child.kill("SIGTERM");
  t.strictSame(await ready(http, 503), { status: "draining" });
  for (const trainer of trainers) trainer.letGo();
  t.equal(await serving.ended(), 0);
  const rounds = serving.events.filter(({ event }) => event === "round");
  t.match(rounds.at(-1), { round: 1, state: "closed" });
  t.notOk(
    rounds.some(({ round }) => round === 2),
    "the second round of the plan has not begun",
  );
  t.ok(serving.log.some(({ msg }) => msg === "draining"));
  leave();
  await Promise.all(parts);
});

t.test(
  "a round that does not end by the deadline is given up with a reason, and the process ends with 0",
  async (t) => {
    const serving = new Serving(t, "300ms");
    const { trainers, parts, leave } = await training(t, serving);
    serving.child.kill("SIGTERM");
    t.equal(await serving.ended(), 0);
    t.match(serving.events.filter(({ event }) => event === "round").at(-1), {
      round: 1,
      state: "abandoned",
      reason: "OPERATOR_STOPPED",
    });
    for (const trainer of trainers) trainer.letGo();
    leave();
    await Promise.all(parts);
  },
);
